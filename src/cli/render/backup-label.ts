import { type BackupRecord, isUnproven } from '../../contract/backup-record';
import { timeText } from '../../contract/units';

/** 'Date/time - Reason', as Aegir's list said it, and whether it could not be restored where it was made. */
export function backupLabel(record: Pick<BackupRecord, 'created' | 'description' | 'warnings'>): string {
  return `${timeText(record.created)} - ${record.description}${isUnproven(record) ? ' (could not be restored here)' : ''}`;
}

import type { BackupRecord } from '../../contract/backup-record';
import { timeText } from './units';

/** 'Date/time - Reason', as Aegir's list said it. */
export function backupLabel(record: Pick<BackupRecord, 'created' | 'description'>): string {
  return `${timeText(record.created)} - ${record.description}`;
}

export { backup } from './backup';
export { backupAll } from './backup-all';
export { deploy } from './deploy';
export { listBackups, readTaskLog } from './list-backups';
export { recover } from './recover';
export { request } from './request';
export { restore } from './restore';
export { turns } from './turns';
export { verify } from './verify';

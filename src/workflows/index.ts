export { backup } from './backup';
export { deploy } from './deploy';
export { listBackups, readTaskLog } from './list-backups';
export { recover } from './recover';
export { restore } from './restore';
export { turns } from './turns';
export { verify } from './verify';

/** Where `kedge servers prepare` puts the program of servers, and what starts it. */
export const PROGRAM_FOLDER = '/usr/local/lib/kedge';
export const PROGRAM_FILE = `${PROGRAM_FOLDER}/kedge-host.cjs`;
export const PROGRAM_LAUNCHER = `${PROGRAM_FOLDER}/kedge-host`;
/** The Node of the master, where the server has none that will do. */
export const NODE_FILE = `${PROGRAM_FOLDER}/node`;

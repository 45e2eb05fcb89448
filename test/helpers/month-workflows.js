const { proxyActivities, workflowInfo } = require('@temporalio/workflow');
const { backupAll } = require('../../dist/src/workflows/backup-all.js');

// The real workflow of many sites, over a stand-in of the task of one: test/helpers/month-suite.ts
exports.backupAll = backupAll;

const { makeBackup } = proxyActivities({ startToCloseTimeout: '1 minute', retry: { maximumAttempts: 1 } });
exports.request = ({ input: { site, description } }) => makeBackup(site, description, workflowInfo().workflowId);

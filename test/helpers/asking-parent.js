const { executeChild } = require('@temporalio/workflow');

/** A workflow of a service that has nothing of Kedge's but the name of a workflow. */
exports.deployment = (taskQueue, request) => executeChild('request', { taskQueue, args: [request] });

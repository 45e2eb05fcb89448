export async function findTemporalCli(): Promise<string> { return '/root/go/bin/temporal'; }

// The sample delivery in the test suite of @onehop/js: made by Hop's server, for no real project.

export const SAMPLE = {
  secret: 'whsec_c18zMDkxNWRmYzUwOTM4YmFiOTkwZjc3NTYwYjhhOTNkNF8xOTMwNTkxMTg3NzI0MDQyMjg',
  signature: '86EBE7F54A92C809CDF8F3DC6536C566A1C074F9B001E9118DF7EC433BE435E7',
  body: '{"webhook_id":"webhook_MTkzMDU5MTE4NzcyNDA0MjI3","project_id":"project_MTY1MjU5NTk1NTAwNTY4NTc3",'
    + '"occurred_at":"2023-10-02T15:46:13.323Z","id":"event_MTkzMzkwODU2OTQwODkyMjgx",'
    + '"event":"ignite.deployment.container.metrics_update","data":{"metrics":{"memory_usage_percent":"0.07",'
    + '"memory_usage_bytes":393216,"cpu_usage_percent":"0.00"},"container_id":"container_MTkzMDc3MjExODczMDc5MzAx"}}',
};

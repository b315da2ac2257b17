// What warren-js-runtimes.test.mjs runs in other runtimes: the packed client with the runtime's own WebSocket.
// Arguments: the entry that exports the client, the server's address, the project's id.

const [entry, url, project] = process.argv.slice(2);
const { connect } = await import(entry);
const client = connect({ url, project });
const desk = await client.subscribe('desk').ready;
const loop = desk.messages();
await desk.publish('OWN', { n: 1 });
const { value } = await loop.next();
await desk.setState((state) => ({ ...state, n: (state.n ?? 0) + 1 }));
console.log(JSON.stringify({ event: value.event, data: value.data, missed: value.missed, status: client.status }));
client.close();

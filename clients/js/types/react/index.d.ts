/**
 * Gives the client to all hooks below.
 * @param {{client: Client, children?: import('react').ReactNode}} props
 */
export function WarrenProvider({ client, children }: {
    client: Client;
    children?: import("react").ReactNode;
}): import("react").FunctionComponentElement<import("react").ProviderProps<import("../src/client.js").Client | null>>;
/** The client of the provider above. @returns {Client} */
export function useWarren(): Client;
/** Where the connection stands. @returns {import('../src/client.js').Status} */
export function useStatus(): import("../src/client.js").Status;
/**
 * A channel, heard while any component shows it. Only what hooks have asked for is given up when the last of them goes:
 * not what the application or the back end subscribed. The subscription is ephemeral.
 * @param {string} id
 * @returns {{channel: Channel | null, status: import('../src/channel.js').ChannelStatus, error: Error | null}} `channel`
 *   is null until the component is mounted.
 */
export function useChannel(id: string): {
    channel: Channel | null;
    status: import("../src/channel.js").ChannelStatus;
    error: Error | null;
};
/**
 * A channel's state, and what changes it: `setState` of the channel.
 * @param {string} id
 * @returns {[State | null, Channel['setState']]} Null until it is known.
 */
export function useChannelState(id: string): [State | null, Channel["setState"]];
/**
 * Who is in, in channels with the capability `PRESENCE`.
 * @param {string} id
 * @returns {Member[]}
 */
export function usePresence(id: string): Member[];
/**
 * The newest messages since the component is there, oldest first.
 * @param {string} id
 * @param {{limit?: number, onMessage?: (message: Message) => void}} [options] `limit`: how many are kept, 100 by default;
 *   0 for who only wants `onMessage`, which is called for each and may change from render to render.
 * @returns {Message[]}
 */
export function useMessages(id: string, { limit, onMessage }?: {
    limit?: number;
    onMessage?: (message: Message) => void;
}): Message[];
export type Client = import("../src/client.js").Client;
export type Channel = import("../src/channel.js").Channel;
export type State = import("../src/channel.js").State;
export type Member = import("../src/channel.js").Member;
export type Message = import("../src/line.js").Message;

/** What went wrong, as errors with a word to branch by. */
/** Any error of this client. Branch by `code`; the message is for people. */
export class WarrenError extends Error {
    /**
     * @param {string} code One of the server's words (`not_subscribed`, `missing_capability`, `overloaded`, …) or of this
     *   client's own: `queue_full`, `timeout`, `unknown_outcome`, `closed`, `not_granted`, `unknown_channel`,
     *   `unsubscribed`, `overflow`, `null_in_patch`, `storage`, `token`.
     * @param {string} message
     * @param {unknown} [cause]
     */
    constructor(code: string, message: string, cause?: unknown);
    code: string;
}
/**
 * Why a connection ended. Its `code` is `server_fault` (4000), `invalid_auth` (4001), `identify_timeout`, `not_identified`,
 * `unknown_opcode`, `invalid_frame` (4005), `moved`, `heartbeat_timeout`, `rate_limited` (4008), `slow_consumer`,
 * `going_away` (4010), `frame_too_large` (1009), or `line_broken` for everything else.
 */
export class CloseError extends WarrenError {
    /**
     * @param {number} closeCode The WebSocket's close code; 1006 where the line broke without one.
     * @param {string} reason What the server said, or what this client saw.
     */
    constructor(closeCode: number, reason: string);
    closeCode: number;
    reason: string;
    /** Whether coming back can never help: the project or the token is wrong. The client stops; all others reconnect. */
    get isFatal(): boolean;
}

// SPDX-License-Identifier: MIT OR Apache-2.0
// What the bridge gives to the main frame of a page of a listed origin, and to no other.

/** Why a call has failed, as on the bus: docs/dbus.md has the names and what each means. */
interface TokendError extends Error {
    /**
     * As `tv.tokend.Error.Unavailable`, `.Throttled`, `.Rejected`, `.Storage`, or
     * `org.freedesktop.DBus.Error.AccessDenied`, `.InvalidArgs`, `.LimitsExceeded`, `.UnknownObject`,
     * `.ServiceUnknown`, `.NoReply` (nothing has come for 30 s), `.Disconnected` (the bus is gone).
     */
    readonly name: string;
    /** What has happened, since when, and when the next try is. */
    readonly message: string;
}

interface TokendHeaders {
    /**
     * `Authorization`, `X-Device-Info`, `AP-Device-Identifier`, and what a later tokend sends:
     * ready for `fetch`. Never `User-Agent`, which is the browser's.
     */
    readonly headers: Readonly<Record<string, string>>;
    /** Whole seconds that the token still has. */
    readonly expiresIn: number;
}

interface TokendToken {
    /** A token that nobody has reported. */
    readonly accessToken: string;
    /** Whole seconds that it still has. */
    readonly expiresIn: number;
}

interface Tokend extends EventTarget {
    /**
     * The headers of a request. At once from the cache, else after a fetch, at most 20 s.
     * @param minValidity seconds for which the token must still be valid; 0 if it is left out
     */
    getHeaders(minValidity?: number): Promise<TokendHeaders>;
    /**
     * For a 401 from a protected API, once.
     * @param rejected the refused token, without `Bearer`
     * @param code the enhanced error code of that answer, or empty
     */
    replaceToken(rejected: string, code?: string): Promise<TokendToken>;
    /** There is a new token, or tokend is there again: a reason to call again what has failed. */
    addEventListener(
        type: 'tokenchange',
        listener: EventListenerOrEventListenerObject | null,
        options?: boolean | AddEventListenerOptions,
    ): void;
}

/** Not there for a page of any other origin. */
declare const tokend: Tokend;

// SPDX-License-Identifier: MIT OR Apache-2.0
// A small player as a page: gets headers from tokend, calls an API with them, and calls it again
// when there is a new token. ../README.md says what it prints: on the page, and on the console.
// @ts-check
/// <reference path="./tokend.d.ts" />

const WORDS = {
    'tv.tokend.Error.Rejected': 'not available',
    'tv.tokend.Error.Unavailable': 'no token now',
    'tv.tokend.Error.Throttled': 'patience',
    'tv.tokend.Error.Storage': "this device's secure storage does not work",
    'org.freedesktop.DBus.Error.AccessDenied': 'this user may not have this token',
    'org.freedesktop.DBus.Error.UnknownObject': 'no such application',
    'org.freedesktop.DBus.Error.ServiceUnknown': 'tokend is not there',
    'org.freedesktop.DBus.Error.NoReply': 'tokend does not answer',
    'org.freedesktop.DBus.Error.Disconnected': 'the bus is gone',
};
const API = document.querySelector('meta[name=api]').getAttribute('content');

let changed = false; // since the headers of the last call
let wake = () => {};

function say(...words) {
    document.getElementById('said').append(`${words.join(' ')}\n`);
    console.log(...words);
}

async function getHeaders() {
    // Good for another 60 s: longer than the call can take.
    const {headers, expiresIn} = await tokend.getHeaders(60);
    // The event of a change that these headers bring along has come before them.
    changed = false;
    say(`tokend gives headers, good for ${expiresIn} s`);
    return headers;
}

async function get(headers) {
    try {
        // To no other address, and into no cache.
        const reply = await fetch(API, {headers, redirect: 'error', cache: 'no-store', credentials: 'omit'});
        const body = await reply.text();
        let code = '';
        try {
            code = String(JSON.parse(body).code ?? '');
        } catch {
            // A body without a code.
        }
        return {status: reply.status, body, code};
    } catch (error) {
        return {status: 0, body: error.message, code: ''};
    }
}

async function callApi() {
    let headers = await getHeaders();
    let reply = await get(headers);
    if (reply.status === 401) {
        say(`401 ${reply.code}: asking tokend to replace the token, once`);
        await tokend.replaceToken(headers.Authorization.replace(/^Bearer /, ''), reply.code);
        headers = await getHeaders();
        reply = await get(headers);
    }
    if (reply.status === 401)
        say(`401 ${reply.code} again: that is not the token's fault`);
    else if (reply.status === 0)
        say(`the API cannot be reached: ${reply.body}`);
    else
        say(reply.status, reply.body);
}

// Says what is the matter. tokend tries again by itself, and tells when that has helped.
function tell(error) {
    say(`${WORDS[error.name] ?? error.name}: ${error.message}`);
    if (error.name.endsWith('.NoReply'))
        setTimeout(onChange, 30_000); // nothing may ever change
}

function onChange() {
    changed = true;
    wake();
}

async function play() {
    if (typeof tokend === 'undefined') {
        say('window.tokend is not there: this page is not of a listed origin, or the browser has no bridge');
        return;
    }
    tokend.addEventListener('tokenchange', onChange);
    for (;;) {
        try {
            await callApi();
        } catch (error) {
            tell(error);
        }
        say('waiting for a new token');
        if (!changed)
            await new Promise(resolve => (wake = () => resolve(undefined)));
        changed = false;
        say('there is a new token, or tokend is there again: calling again');
    }
}

play();

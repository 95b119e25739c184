#!/usr/bin/env -S gjs -m
// SPDX-License-Identifier: MIT OR Apache-2.0
// A small player on GJS: gets headers from tokend, calls an API with them, and calls it again when
// there is a new token. ../README.md says what it prints.
// Debian: apt-get install gjs gir1.2-soup-3.0 glib-networking
import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import Soup from 'gi://Soup?version=3.0';
import System from 'system';

Gio._promisify(Soup.Session.prototype, 'send_and_read_async');

// A device has it in /usr/share/dbus-1/interfaces.
const XML = Gio.File.new_for_uri(import.meta.url)
    .resolve_relative_path('../../../../systemd/tv.tokend.Application1.xml');
const [, xml] = XML.load_contents(null);
const Application = Gio.DBusProxy.makeProxyWrapper(new TextDecoder().decode(xml));

const WORDS = {
    'tv.tokend.Error.Rejected': 'not available',
    'tv.tokend.Error.Unavailable': 'no token now',
    'tv.tokend.Error.Throttled': 'patience',
    'tv.tokend.Error.Storage': "this device's secure storage does not work",
    'org.freedesktop.DBus.Error.AccessDenied': 'this user may not have this token',
    'org.freedesktop.DBus.Error.UnknownObject': 'no such application',
    'org.freedesktop.DBus.Error.ServiceUnknown': 'tokend is not there',
    'org.freedesktop.DBus.Error.NoReply': 'tokend does not answer',
    'org.freedesktop.DBus.Error.Timeout': 'tokend does not answer',
};

const now = () => Math.floor(Date.now() / 1000);

class Player {
    #session = new Soup.Session({timeout: 30});
    #tokend;
    #url;
    #used = 0; // the TokenNumber that the last call was made with
    #retryAt = 0; // 0: nothing but a new token is a reason to try again
    #gone = false; // tokend is not there
    #back = false; // tokend was gone, and is there again
    #wake = () => {}; // something has changed

    constructor(application, url) {
        this.#url = url;
        // GLib looks at its own bundle alone.
        const ca = GLib.getenv('SSL_CERT_FILE');
        if (ca)
            this.#session.tls_database = Gio.TlsFileDatabase.new(ca);
        this.#tokend = Application(Gio.DBus.system, 'tv.tokend',
            `/tv/tokend/application/${application}`, null, null,
            // A property that is invalidated instead of told is read at once.
            Gio.DBusProxyFlags.GET_INVALIDATED_PROPERTIES);
        // tokend may wait 20 s for the server before it answers.
        this.#tokend.set_default_timeout(30_000);
        this.#tokend.connect('g-properties-changed', () => this.#wake());
        this.#tokend.connect('notify::g-name-owner', () => this.#onOwner());
    }

    async play() {
        for (;;) {
            try {
                await this.#callApi();
            } catch (error) {
                this.#tell(error);
            }
            await this.#waitForReason();
        }
    }

    async #callApi() {
        this.#retryAt = 0;
        let headers = await this.#getHeaders();
        let reply = await this.#get(headers);
        if (reply.status === 401) {
            print(`401 ${reply.code}: asking tokend to replace the token, once`);
            const refused = headers.Authorization.replace(/^Bearer /, '');
            await this.#tokend.ReplaceTokenAsync(refused, reply.code);
            headers = await this.#getHeaders();
            reply = await this.#get(headers);
        }
        if (reply.status === 401)
            print(`401 ${reply.code} again: that is not the token's fault`);
        else if (reply.status === 0)
            print(`the API cannot be reached: ${reply.body}`);
        else
            print(reply.status, reply.body);
    }

    async #getHeaders() {
        // Good for another 60 s: longer than the call can take.
        const [headers, expiresIn] = await this.#tokend.GetHeadersAsync(60);
        print(`tokend gives headers, good for ${expiresIn} s`);
        // The proxy has heard of every change before this answer.
        this.#used = this.#tokend.TokenNumber;
        this.#gone = false;
        return headers;
    }

    async #get(headers) {
        const message = Soup.Message.new('GET', this.#url);
        // libsoup would take the token along, to whichever host.
        message.add_flags(Soup.MessageFlags.NO_REDIRECT);
        for (const [name, value] of Object.entries(headers))
            message.request_headers.append(name, value);
        let bytes;
        try {
            bytes = await this.#session.send_and_read_async(message, GLib.PRIORITY_DEFAULT, null);
        } catch (error) {
            return {status: 0, code: '', body: error.message};
        }
        const reply = {status: message.status_code, code: '', body: new TextDecoder().decode(bytes.get_data())};
        try {
            reply.code = String(JSON.parse(reply.body).code ?? '');
        } catch {
            // A body without a code.
        }
        return reply;
    }

    // Says what is the matter, and notes when to try again. Never in a loop: the server counts.
    #tell(error) {
        if (!(error instanceof GLib.Error))
            throw error; // a fault of this program
        const name = Gio.DBusError.get_remote_error(error);
        Gio.DBusError.strip_remote_error(error);
        // What the proxy finds by itself has no name: its time-out is over.
        print(`${name ? WORDS[name] ?? name : 'tokend does not answer'}: ${error.message}`);
        this.#used = this.#tokend.TokenNumber ?? 0; // another one is a reason to try again
        this.#gone = /\.(ServiceUnknown|NoReply)$/.test(name);
        if (!name)
            this.#retryAt = now() + 30;
        else if (!/\.(Unavailable|Throttled)$/.test(name))
            return;
        // While there is a token, RetryAt is about its refresh.
        else if (!this.#used)
            this.#retryAt = this.#tokend.RetryAt;
        if (this.#retryAt < now()) {
            this.#retryAt = 0;
            print('trying again when there is a new token');
            return;
        }
        const left = this.#retryAt + 1 - now();
        print(`trying again in ${left} s`);
        GLib.timeout_add_seconds(GLib.PRIORITY_DEFAULT, left, () => {
            this.#wake();
            return GLib.SOURCE_REMOVE;
        });
    }

    #onOwner() {
        if (!this.#tokend.g_name_owner)
            print('tokend has left the bus');
        this.#back = this.#gone && this.#tokend.g_name_owner !== null;
        this.#gone = !this.#tokend.g_name_owner;
        this.#wake();
    }

    // Sleeps until there is a reason to call the API again.
    async #waitForReason() {
        print('waiting for a new token');
        for (;;) {
            const number = this.#tokend.TokenNumber;
            if (this.#back) {
                print('tokend is there: calling again');
                break;
            }
            if (number && number !== this.#used) {
                print(`token number ${number} is there: calling again`);
                break;
            }
            if (this.#retryAt && this.#retryAt < now())
                break;
            await new Promise(resolve => (this.#wake = resolve));
        }
        this.#back = false;
    }
}

if (ARGV.length !== 2 || !ARGV[1].startsWith('https:')) {
    printerr(`usage: ${System.programInvocationName} APPLICATION HTTPS-URL`);
    System.exit(64);
}
let bus;
try {
    bus = Gio.DBus.system;
} catch (error) {
    printerr(`no system bus: ${error.message}`);
    System.exit(1);
}
// Else GLib ends the program without a word when the bus goes.
bus.exit_on_close = false;
bus.connect('closed', () => {
    printerr('the bus is gone');
    System.exit(1);
});
new Player(...ARGV).play().catch(error => {
    logError(error);
    System.exit(1);
});
new GLib.MainLoop(null, false).run();

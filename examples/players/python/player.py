# SPDX-License-Identifier: MIT OR Apache-2.0
"""A small player on dbus-fast: gets headers from tokend, calls an API with them, and calls it again
when there is a new token. ../README.md says what it prints."""

import asyncio
import http.client
import json
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from dbus_fast import BusType, DBusError
from dbus_fast.aio import MessageBus

APPLICATION = "tv.tokend.Application1"
# A device has it in /usr/share/dbus-1/interfaces.
XML = Path(__file__).resolve().parents[3] / "systemd" / f"{APPLICATION}.xml"
SIGNALS = """<node>
  <interface name="org.freedesktop.DBus.Properties">
    <signal name="PropertiesChanged"><arg type="s"/><arg type="a{sv}"/><arg type="as"/></signal>
  </interface>
  <interface name="org.freedesktop.DBus">
    <signal name="NameOwnerChanged"><arg type="s"/><arg type="s"/><arg type="s"/></signal>
  </interface>
</node>"""
WORDS = {
    "tv.tokend.Error.Rejected": "not available",
    "tv.tokend.Error.Unavailable": "no token now",
    "tv.tokend.Error.Throttled": "patience",
    "tv.tokend.Error.Storage": "this device's secure storage does not work",
    "org.freedesktop.DBus.Error.AccessDenied": "this user may not have this token",
    "org.freedesktop.DBus.Error.UnknownObject": "no such application",
    "org.freedesktop.DBus.Error.ServiceUnknown": "tokend is not there",
    "org.freedesktop.DBus.Error.NoReply": "tokend does not answer",
}


class StayHere(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: urllib would take the token along, to whichever host."""

    def redirect_request(self, *_):
        return None


def get(url, headers):
    """Status and body of a GET. Trusts what SSL_CERT_FILE names, else the system's bundle."""
    opener = urllib.request.build_opener(StayHere)
    try:
        with opener.open(urllib.request.Request(url, headers=headers), timeout=30) as reply:
            return reply.status, reply.read().decode(errors="replace")
    except urllib.error.HTTPError as error:  # an answer, too
        return error.code, error.read().decode(errors="replace")
    except (TimeoutError, http.client.HTTPException) as error:  # not tokend's time-out, and no OSError
        raise urllib.error.URLError(error) from error


def code_of(body):
    """The API's error code, where the body has one."""
    try:
        return str(json.loads(body)["code"])
    except (ValueError, TypeError, KeyError):
        return ""


async def number(reading):
    """A property; where it cannot be read 0, as tokend says it where there is nothing."""
    try:
        return await asyncio.wait_for(reading, 30)
    except (DBusError, asyncio.TimeoutError):
        return 0


class Player:
    def __init__(self, bus, application, url):
        path = f"/tv/tokend/application/{application}"
        proxy = bus.get_proxy_object("tv.tokend", path, XML.read_text())
        self.tokend = proxy.get_interface(APPLICATION)
        self.url = url
        self.used = 0  # the TokenNumber that the last call was made with
        self.retry_at = 0  # 0: nothing but a new token is a reason to try again
        self.gone = self.back = False  # tokend is not there; it was gone, and is there again
        self.news = asyncio.Event()  # a property or the owner of tokend's name has changed
        # Before the first call, so that no change is missed.
        properties = bus.get_proxy_object("tv.tokend", path, SIGNALS)
        properties = properties.get_interface("org.freedesktop.DBus.Properties")
        properties.on_properties_changed(self.on_change)
        names = bus.get_proxy_object("org.freedesktop.DBus", "/org/freedesktop/DBus", SIGNALS)
        names.get_interface("org.freedesktop.DBus").on_name_owner_changed(self.on_owner)

    async def play(self):
        while True:
            try:
                await self.call_api()
            except DBusError as error:
                await self.tell(error)
            except asyncio.TimeoutError:
                print("tokend does not answer: trying again in 30 s")
                self.retry_at = int(time.time()) + 29
            except OSError as error:
                print("the API cannot be reached:", getattr(error, "reason", error))
            await self.wait_for_reason()

    async def call_api(self):
        self.retry_at = 0
        headers = await self.get_headers()
        status, body = await asyncio.to_thread(get, self.url, headers)
        if status == 401:
            print(f"401 {code_of(body)}: asking tokend to replace the token, once")
            refused = headers["Authorization"].removeprefix("Bearer ")
            await asyncio.wait_for(self.tokend.call_replace_token(refused, code_of(body)), 30)
            headers = await self.get_headers()
            status, body = await asyncio.to_thread(get, self.url, headers)
        if status == 401:
            print(f"401 {code_of(body)} again: that is not the token's fault")
        else:
            print(status, body)

    async def get_headers(self):
        # Good for another 60 s: longer than the call can take. tokend may wait 20 s for the server
        # before it answers.
        headers, expires_in = await asyncio.wait_for(self.tokend.call_get_headers(60), 30)
        print(f"tokend gives headers, good for {expires_in} s")
        # Read after the headers: a change that they bring along themselves is none to wait for.
        self.used = await number(self.tokend.get_token_number())
        self.gone = False
        return headers

    async def tell(self, error):
        """Says what is the matter, and notes when to try again. Never in a loop: the server counts."""
        print(f"{WORDS.get(error.type, error.type)}: {error.text}")
        kind = error.type.rpartition(".")[2]
        self.gone = kind in ("ServiceUnknown", "NoReply")
        if not self.gone:
            # Another one than this is a reason to try again.
            self.used = await number(self.tokend.get_token_number())
        if kind not in ("Unavailable", "Throttled"):
            return
        # While there is a token, RetryAt is about its refresh.
        if self.used == 0:
            self.retry_at = await number(self.tokend.get_retry_at())
        if self.retry_at >= time.time():
            print(f"trying again in {self.retry_at + 1 - time.time():.0f} s")
        else:
            self.retry_at = 0
            print("trying again when there is a new token")

    def on_change(self, _interface, _changed, _invalidated):
        # Which property it is, and whether its value came along or was only invalidated, makes no
        # difference: the number is read.
        self.news.set()

    def on_owner(self, name, _before, now):
        if name != "tv.tokend":
            return
        if not now:
            print("tokend has left the bus")
        self.back = bool(now) and self.gone
        self.gone = not now
        self.news.set()

    async def wait_for_reason(self):
        """Sleeps until there is a reason to call the API again."""
        print("waiting for a new token")
        while True:
            left = self.retry_at + 1 - time.time() if self.retry_at else None
            try:
                await asyncio.wait_for(self.news.wait(), left)
            except asyncio.TimeoutError:
                return
            self.news.clear()
            if self.back:
                self.back = False
                print("tokend is there: calling again")
                return
            if self.gone:
                continue
            now = await number(self.tokend.get_token_number())
            if now not in (0, self.used):
                print(f"token number {now} is there: calling again")
                return


async def main(application, url):
    try:
        bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
    except OSError as error:
        sys.exit(f"no system bus: {error}")
    playing = asyncio.create_task(Player(bus, application, url).play())
    leaving = asyncio.create_task(bus.wait_for_disconnect())
    await asyncio.wait([playing, leaving], return_when=asyncio.FIRST_COMPLETED)
    if playing.done():
        playing.result()  # raises what has ended it
    sys.exit("the bus is gone")


if len(sys.argv) != 3 or not sys.argv[2].startswith("https:"):
    sys.exit(f"usage: {sys.argv[0]} APPLICATION HTTPS-URL")
sys.stdout.reconfigure(line_buffering=True)
try:
    asyncio.run(main(*sys.argv[1:]))
except KeyboardInterrupt:
    pass

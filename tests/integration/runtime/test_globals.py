"""What the web and Node give every function, each by something only the real one gets right."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from midstream.domain.function import Limits
from midstream.domain.http import Answer, Exchange, Outbound
from tests.integration.runtime.conftest import Runner

Make = Callable[..., Runner]

THERE = {
    "Buffer": (
        "[Buffer.from('aGk=', 'base64').toString(), Buffer.byteLength('ä'), Buffer.isBuffer(Buffer.alloc(1))]",
        ["hi", 2, True],
    ),
    "structuredClone": ("structuredClone(new Map([['a', new Date(5)]])).get('a').getTime()", 5),
    "Intl": ("new Intl.NumberFormat('de', { style: 'currency', currency: 'EUR' }).format(1234.5)", "1.234,50\xa0€"),
    "timers": (
        "new Promise(done => { let n = 0; const t = setInterval(() => { if (++n === 2) { clearInterval(t); done(n) } }, 1); "
        "clearTimeout(setTimeout(() => done('no'), 0)) })",
        2,
    ),
    "FormData": (
        "new Response((() => { const f = new FormData(); f.append('a', new Blob(['b']), 'c.txt'); return f })()).text()"
        '.then(t => /filename="c.txt"[^]*\\r\\nb\\r\\n/.test(t))',
        True,
    ),
    "btoa and atob": ("[btoa('\\xff\\x00'), atob('/wA=').charCodeAt(0)]", ["/wA=", 255]),
    "URL": ("new URL('../b?x=ä', 'https://h.test/a/').href", "https://h.test/b?x=%C3%A4"),
    "AbortSignal": ("new Promise(done => { AbortSignal.timeout(1).onabort = () => done('late') })", "late"),
    "createHash": ("crypto.createHash('sha1').update('abc').digest('hex')", "a9993e364706816aba3e25717850c26c9cd0d89d"),
    "createHmac": (
        "crypto.createHmac('sha256', 'key').update('The quick brown fox jumps over the lazy dog').digest('hex')",
        "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8",
    ),
    "createCipheriv": (
        "(() => { const key = Buffer.alloc(32, 1), iv = Buffer.alloc(12, 2), c = crypto.createCipheriv('aes-256-gcm', key, iv);"
        " const data = Buffer.concat([c.update('secret'), c.final()]), d = crypto.createDecipheriv('aes-256-gcm', key, iv);"
        " d.setAuthTag(c.getAuthTag()); return d.update(data).toString() + d.final().toString() })()",
        "secret",
    ),
    "randomUUID": ("/^[0-9a-f-]{36}$/.test(crypto.randomUUID()) && crypto.randomBytes(8).length", 8),
    "timingSafeEqual": (
        "[crypto.timingSafeEqual(Buffer.from('a'), Buffer.from('a')), crypto.timingSafeEqual(Buffer.from('a'), Buffer.from('b'))]",
        [True, False],
    ),
    "createSign": (
        "(() => { const { privateKey, publicKey } = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });"
        " return crypto.verify('sha256', Buffer.from('x'), publicKey, crypto.sign('sha256', Buffer.from('x'), privateKey)) })()",
        True,
    ),
    "crypto.subtle": (
        "crypto.subtle.importKey('raw', Buffer.from('key'), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])"
        ".then(k => crypto.subtle.sign('HMAC', k, Buffer.from('x'))).then(s => s.byteLength)",
        32,
    ),
    "crypto.webcrypto": (
        "crypto.webcrypto.getRandomValues(new Uint8Array(4)).length + crypto.getRandomValues(new Uint8Array(1)).length",
        5,
    ),
    "window": ("window === globalThis && self === window && global === self", True),
}


@pytest.mark.parametrize(("expression", "value"), THERE.values(), ids=THERE)
async def test_it_is_there_and_works(make: Make, expression: str, value: object) -> None:
    assert await make(limits=Limits(timeout=5)).value(expression) == value


async def test_a_form_is_filled_and_sent_as_form_data_2_does(make: Make) -> None:
    asked: list[Outbound] = []

    async def network(outbound: Outbound) -> Exchange:
        asked.append(outbound)
        return Answer(
            200, "OK", [("x-a", "1"), ("set-cookie", "a"), ("set-cookie", "b")], b"\x00\xff", outbound.url, 1.0
        )

    code = """onTrack = async () => { const form = new FormData();
      form.append('text', 'ä'); form.append('number', 5); form.append('empty', undefined);
      form.append('csv', Buffer.from('a;b'), { filename: 'a.csv', contentType: 'text/csv' });
      form.append('name', 'content', 'b.txt'); form.append('bytes', Buffer.from([1])); form.append('blob', new Blob(['c']));
      const response = await fetch('https://h.test/', { method: 'POST', body: form, headers: { ...form.getHeaders({ k: 'v' }) } });
      return { bytes: (await response.buffer()).toString('hex'), raw: response.headers.raw() } }"""
    (one,) = await make(network, limits=Limits(timeout=5))(code)
    assert one.event == b'{"bytes":"00ff","raw":{"set-cookie":["a","b"],"x-a":["1"]}}', one.error
    headers = dict(asked[0].headers)
    assert headers["k"] == "v"
    boundary = headers["content-type"].removeprefix("multipart/form-data; boundary=").encode()
    parts = [part.strip(b"\r\n-") for part in (asked[0].body or b"").split(boundary)]
    assert [part for part in parts if part] == [
        b'Content-Disposition: form-data; name="text"\r\n\r\n\xc3\xa4',
        b'Content-Disposition: form-data; name="number"\r\n\r\n5',
        b'Content-Disposition: form-data; name="empty"\r\n\r\nundefined',
        b'Content-Disposition: form-data; name="csv"; filename="a.csv"\r\nContent-Type: text/csv\r\n\r\na;b',
        b'Content-Disposition: form-data; name="name"; filename="b.txt"\r\nContent-Type: application/octet-stream\r\n\r\ncontent',
        b'Content-Disposition: form-data; name="bytes"; filename="blob"\r\nContent-Type: application/octet-stream\r\n\r\n\x01',
        b'Content-Disposition: form-data; name="blob"; filename="blob"\r\nContent-Type: application/octet-stream\r\n\r\nc',
    ]

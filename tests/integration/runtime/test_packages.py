"""The packages under Segment's global names: what they do, when they are loaded, and that they lead nowhere."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from midstream.domain.function import Ending, Limits
from midstream.domain.http import Answer, Exchange, NoAnswer, Outbound
from midstream.runtime.libraries import LIBRARIES, Library
from tests.integration.runtime.conftest import Runner

Make = Callable[..., Runner]


@pytest.fixture
def run(make: Make) -> Runner:
    return make(limits=Limits(timeout=5))  # a first use compiles, and the machine may be busy


async def given(run: Runner, code: str, **settings: Any) -> Any:
    """Return what the handler returned."""
    (one,) = await run(code, **settings)
    assert one.event is not None, one.error
    return json.loads(one.event)


async def test_lodash_does_what_it_is_for(run: Runner) -> None:
    code = """const names = _.chain([{ n: 'b' }, { n: 'a' }]).sortBy('n').map('n').value();
      onTrack = () => ({ names, at: _.get({ a: [{ b: 3 }] }, 'a[0].b'), snake: _.snakeCase('orderId'),
        same: _.isEqual(new Map([[1, { a: 1 }]]), new Map([[1, { a: 1 }]])), deep: _.cloneDeep({ d: new Date(0) }) })"""
    assert await given(run, code) == {
        "names": ["a", "b"],
        "at": 3,
        "snake": "order_id",
        "same": True,
        "deep": {"d": "1970-01-01T00:00:00.000Z"},
    }


@pytest.mark.parametrize("call", ["_.template('<%= a %>')", "_('<%= a %>').template()"])
async def test_a_lodash_template_says_what_to_do_instead(run: Runner, call: str) -> None:
    (one,) = await run(f"onTrack = () => {call}({{ a: 1 }})")
    assert one.error is not None
    assert one.error.message == (
        "_.template makes code from a string, which is off in midstream; use a template literal instead"
    )


async def test_moment_knows_every_zone_and_language(run: Runner) -> None:
    code = """onTrack = () => ({
      before: moment.tz('2026-03-29T00:59:59Z', 'Europe/Berlin').format(),
      after: moment.tz('2026-03-29T01:00:00Z', 'Europe/Berlin').format(),
      chatham: moment('2026-11-22T12:00:00Z').tz('Pacific/Chatham').format('YYYY-MM-DD HH:mm Z'),
      german: moment.utc('2026-11-25').locale('de').format('dddd, D. MMMM'),
      unknown: moment.utc('2026-11-25').locale('../lodash').format('dddd'),
      added: moment.utc('2026-01-31').add(1, 'month').format('YYYY-MM-DD'),
      zones: moment.tz.names().length > 590 })"""
    assert await given(run, code) == {
        "before": "2026-03-29T01:59:59+01:00",
        "after": "2026-03-29T03:00:00+02:00",
        "chatham": "2026-11-23 01:45 +13:45",
        "german": "Mittwoch, 25. November",
        "unknown": "Wednesday",
        "added": "2026-02-28",
        "zones": True,
    }


async def test_jsonwebtoken_signs_and_verifies(run: Runner) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    code = """onTrack = (e, { secret, key, publicKey }) => {
      const hs = jsonwebtoken.sign({ sub: 'u' }, secret, { expiresIn: '1h' });
      const rs = jsonwebtoken.sign({ sub: 'u' }, key, { algorithm: 'RS256', keyid: 'k1' });
      let wrong; try { jsonwebtoken.verify(hs, 'another') } catch (error) { wrong = error.name + ': ' + error.message }
      const { exp, iat } = jsonwebtoken.verify(hs, secret);
      return { lives: exp - iat, sub: jsonwebtoken.verify(rs, publicKey, { algorithms: ['RS256'] }).sub, wrong,
        kid: jsonwebtoken.decode(rs, { complete: true }).header.kid,
        known: jsonwebtoken.verify('eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwi' +
          'aWF0IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c', 'your-256-bit-secret').name } }"""
    assert await given(run, code, secret="s3cr3t", key=private.decode(), publicKey=public.decode()) == {
        "lives": 3600,
        "sub": "u",
        "wrong": "JsonWebTokenError: invalid signature",
        "kid": "k1",
        "known": "John Doe",
    }


async def test_libphonenumber_writes_numbers_as_e164(run: Runner) -> None:
    code = """const parse = libphonenumberjslib.libphonenumberjs;
      onTrack = () => { const number = parse('(0171) 123 45 67', 'DE');
        return { e164: number.number, country: number.country, valid: parse.isValidPhoneNumber('123', 'US'),
          thrown: (() => { try { parse.parsePhoneNumber('x', 'US') } catch (error) { return error.message } })() } }"""
    assert await given(run, code) == {
        "e164": "+491711234567",
        "country": "DE",
        "valid": False,
        "thrown": "NOT_A_NUMBER",
    }


async def test_uuidv5_gives_the_known_vectors(run: Runner) -> None:
    code = """onTrack = () => { uuidv5 = uuidv5.uuidv5;
      return { dns: uuidv5('dns', 'python.org'), url: uuidv5('url', 'http://python.org/') } }"""
    for _ in range(2):  # the idiom runs again at each invocation
        assert await given(run, code) == {
            "dns": "886313e1-3b8a-5372-9b90-0c9aee199e5d",
            "url": "4c565f0d-3f5a-5890-b41b-20cf47701c5e",
        }


async def test_xml_builds_and_xml2js_parses(run: Runner) -> None:
    code = """const text = xml({ order: [{ _attr: { id: 7 } }, { item: 'a < b' }, { item: 'ä' }] }, { declaration: true });
      onTrack = async () => ({ text, back: await xml2js.parseStringPromise(text),
        called: await new Promise((done, fail) => xml2js.parseString('<a b="c"/>', (error, it) => error ? fail(error) : done(it))),
        wrong: await xml2js.parseStringPromise('<a>').catch((error) => error.message.split('\\n')[0]),
        built: new xml2js.Builder({ headless: true }).buildObject({ a: { $: { b: 1 }, _: 'c' } }) })"""
    assert await given(run, code) == {
        "text": '<?xml version="1.0" encoding="UTF-8"?><order id="7"><item>a &lt; b</item><item>ä</item></order>',
        "back": {"order": {"$": {"id": "7"}, "item": ["a < b", "ä"]}},
        "called": {"a": {"$": {"b": "c"}}},
        "wrong": "Unclosed root tag",
        "built": '<a b="1">c</a>',
    }


async def test_a_parsed_key_does_not_become_everybodys_prototype(run: Runner) -> None:
    code = """onTrack = async () => { await xml2js.parseStringPromise('<__proto__><polluted>1</polluted></__proto__>');
      _.merge({}, JSON.parse('{"__proto__": {"polluted": 1}}')); _.set({}, '__proto__.polluted', 1);
      return { polluted: {}.polluted ?? null } }"""
    assert await given(run, code) == {"polluted": None}


async def test_xml_streams_too(run: Runner) -> None:
    code = """onTrack = () => new Promise((done) => { const root = xml.element(); let text = '';
      const stream = xml({ all: root }, { stream: true });
      stream.on('data', (part) => text += part).on('end', () => done({ text }));
      root.push({ a: 1 }); root.close() })"""
    assert await given(run, code) == {"text": "<all><a>1</a></all>"}


async def test_fetchretry_tries_again(make: Make) -> None:
    statuses = [503, 0, 200]

    async def network(outbound: Outbound) -> Exchange:
        status = statuses.pop(0)
        return Answer(status, "", [], b"", outbound.url, 1.0) if status else NoAnswer("ECONNRESET", "gone", 1.0)

    code = """onTrack = async () => ({ status: (await fetchretrylib.fetchretry(fetch)('https://h.test/',
      { retries: 3, retryDelay: 1, retryOn: (attempt, error, response) => error || response.status >= 500 })).status })"""
    run = make(network, limits=Limits(timeout=5))
    (one,) = await run(code)
    assert one.event == b'{"status":200}', one.error
    assert [request.status for request in one.requests] == [503, None, 200]


async def test_zlib_packs_and_unpacks(run: Runner) -> None:
    code = """zlib = zlib.zlib;
      onTrack = async () => { const packed = zlib.gzipSync('text '.repeat(100));
        const unpacked = await new Promise((done, fail) => zlib.gunzip(packed, (error, it) => error ? fail(error) : done(it)));
        return { small: packed.length < 100, text: unpacked.toString().slice(0, 5),
          wrong: await new Promise((done) => zlib.gunzip('no gzip', (error) => done(error instanceof Error))),
          deflated: zlib.inflateSync(zlib.deflateSync('a')).toString(), again: typeof zlib.zlib.gzipSync } }"""
    assert await given(run, code) == {
        "small": True,
        "text": "text ",
        "wrong": True,
        "deflated": "a",
        "again": "function",
    }


@pytest.mark.parametrize(
    ("call", "code", "message"),
    [
        ("gunzipSync('no gzip')", "Z_DATA_ERROR", "incorrect header check"),
        ("inflateSync(zlib.deflateSync('text').subarray(0, 5))", "Z_BUF_ERROR", "unexpected end of file"),
    ],
)
async def test_zlib_says_what_is_wrong_with_the_data(run: Runner, call: str, code: str, message: str) -> None:
    function = f"""zlib = zlib.zlib;
      onTrack = () => {{ try {{ zlib.{call} }} catch ({{ code, message }}) {{
        return {{ code, message, left: typeof process }} }} }}"""
    assert await given(run, function) == {"code": code, "message": message, "left": "undefined"}


@pytest.mark.parametrize("constructor", ["OAuth.OAuth", "OAuth"])
async def test_oauth_signs_its_requests(make: Make, constructor: str) -> None:
    asked: list[Outbound] = []

    async def network(outbound: Outbound) -> Exchange:
        asked.append(outbound)
        return Answer(200, "OK", [("content-type", "text/plain")], b"done", outbound.url, 1.0)

    code = f"""onTrack = () => new Promise((done, fail) => {{
      const client = new {constructor}(null, null, 'key', 'secret', '1.0A', null, 'HMAC-SHA1');
      client._getNonce = () => 'nonce'; client._getTimestamp = () => '1700000000';
      client.post('https://h.test/1.1/statuses.json?a=b%20c', 'token', 'tokensecret', {{ status: 'Hello Ladies + Gentlemen' }},
        (error, data, response) => error ? fail(new Error(JSON.stringify(error))) : done({{ data, status: response.statusCode }}))
    }})"""
    run = make(network, limits=Limits(timeout=5))
    (one,) = await run(code)
    assert one.event == b'{"data":"done","status":200}', one.error
    assert [request.url for request in one.requests] == ["https://h.test/1.1/statuses.json?a=b%20c"]
    assert asked[0].body == b"status=Hello%20Ladies%20%2B%20Gentlemen"
    parameters = (
        "a=b%20c&oauth_consumer_key=key&oauth_nonce=nonce&oauth_signature_method=HMAC-SHA1&oauth_timestamp=1700000000"
        "&oauth_token=token&oauth_version=1.0A&status=Hello%20Ladies%20%2B%20Gentlemen"
    )
    said = "&".join(["POST", quote("https://h.test/1.1/statuses.json", safe=""), quote(parameters, safe="")])
    signature = base64.b64encode(hmac.digest(b"secret&tokensecret", said.encode(), "sha1")).decode()
    assert f'oauth_signature="{quote(signature, safe="")}"' in dict(asked[0].headers)["authorization"]


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.name)
async def test_no_object_of_a_package_leads_outside(run: Runner, library: Library) -> None:
    """Walk everything reachable from it, and from what its calls return."""
    code = (Path(__file__).with_name("reachable.js")).read_text().replace("LIBRARY", library.name)
    found = await given(run, code)
    assert found["seen"] > 5
    assert found["hits"] == []


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.name)
async def test_a_package_can_be_declared_over(run: Runner, library: Library) -> None:
    name = library.name
    for number, declared in enumerate(
        ("let {} = 1", "const {} = 1", "var {} = 1", "class {} {{}}", "function {}() {{}}")
    ):
        code = f"{declared.format(name)}; onTrack = () => ({{ is: typeof {name} }})"
        (one,) = await run(code, instance=f"ifi_{number}")
        assert one.event in {b'{"is":"number"}', b'{"is":"function"}'}, one.error


async def test_a_package_is_itself_after_a_failed_first_use(run: Runner) -> None:
    code = """const { defineProperty } = Object; let why;
      Object.defineProperty = () => { throw new Error('mine') };
      try { xml } catch (error) { why = error.message }
      Object.defineProperty = defineProperty;
      onTrack = () => ({ why: why ?? null, text: xml({ a: 1 }) })"""
    assert (await given(run, code))["text"] == "<a>1</a>"


async def test_a_package_that_is_not_named_is_not_there(run: Runner) -> None:
    code = "onTrack = () => ({ found: ['mom' + 'ent', 'li' + 'bs'].filter((name) => name in globalThis) })"
    assert await given(run, code) == {"found": []}


async def test_code_in_the_packages_is_not_in_an_authors_stack(run: Runner) -> None:
    (one,) = await run("onTrack = (e) => {\n  return _.map([1], () => jsonwebtoken.sign({}, ''))\n}")
    assert one.ending is Ending.THREW
    assert one.error is not None
    assert (one.error.message, one.error.line) == ("secretOrPrivateKey must have a value", 2)
    assert one.error.stack is not None
    assert all("function.js" in line for line in one.error.stack.splitlines()[1:])


async def test_many_listeners_are_nobodys_fault(run: Runner) -> None:
    code = """onTrack = () => { const parser = new xml2js.Parser(), hash = crypto.createHash('md5');
      for (let n = 0; n < 20; n++) for (const each of [parser, hash]) each.on('x', () => {});
      return { count: hash.listenerCount('x') } }"""
    assert await given(run, code) == {"count": 20}


async def test_what_a_package_prints_is_readable(run: Runner) -> None:
    (one,) = await run("onTrack = async (e) => { await fetch('https://h.test/'); moment('soon'); return e }")
    assert [(line.level, line.message[:19]) for line in one.logs] == [("warn", "Deprecation warning")]


async def test_what_compiles_a_package_cannot_be_caught(run: Runner) -> None:
    """Who holds a vm.Script can make others, and so code from strings."""
    code = """const caught = [], set = ['cachedDataProduced', 'cachedDataRejected', 'cachedData'],
        read = ['cachedData', 'importModuleDynamically', 'lineOffset', 'timeout', 'displayErrors'];
      for (const name of read) Object.defineProperty(Object.prototype, name, { configurable: true,
        get() { caught.push(name) }, set() { caught.push(name, this) } });
      for (const name of set) Object.defineProperty(Object.prototype, name, { configurable: true, set() { caught.push(name, this) } });
      onTrack = () => ({ sum: _.sum([1, 2]), caught: caught.map(String) })"""
    assert await given(run, code) == {"sum": 3, "caught": []}

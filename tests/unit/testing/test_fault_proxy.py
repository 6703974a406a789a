"""The proxy relays HTTP as it is, and each fault does to the client what it says."""

import contextlib
import http.client
import http.server
import math
import socket
import threading
import time

import pytest

from anystore_doe.testing.faults import Answer, Cut, Delay, Flip, LoseReply, Rule, Swap, Truncate, s3_error
from anystore_doe.testing.proxy import FaultProxy

BODY = bytes(range(256)) * 512  # 128 KiB: more than one piece


class Objects(http.server.BaseHTTPRequestHandler):
    """A small object server: PUT and GET of whole bodies, fixed length or chunked."""

    protocol_version = "HTTP/1.1"
    objects: dict[str, bytes]

    def do_GET(self) -> None:
        body = self.objects.get(self.path.partition("?")[0])
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        if "chunked" in self.path:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for start in range(0, len(body), 10_000):
                piece = body[start : start + 10_000]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815  the name that http.server looks for

    def do_PUT(self) -> None:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if len(body) != int(self.headers["Content-Length"]):
                self.close_connection = True
                return
        self.objects[self.path] = body
        self.objects["/host"] = self.headers["Host"].encode()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args) -> None:
        """Say nothing: the proxy logs."""


@pytest.fixture
def objects():
    return {"/a": BODY, "/chunked": BODY, "/empty": b""}


@pytest.fixture
def upstream(objects):
    handler = type("Handler", (Objects,), {"objects": objects})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def proxy(upstream):
    with FaultProxy(upstream) as proxy:
        yield proxy


@pytest.fixture
def client(proxy):
    with contextlib.closing(http.client.HTTPConnection(proxy.url.removeprefix("http://"), timeout=20)) as client:
        yield client


def get(client, path="/a", **headers):
    client.request("GET", path, headers=headers)
    reply = client.getresponse()
    return reply.status, reply.read()


def put(client, path, body, **kwargs):
    client.request("PUT", path, body=body, **kwargs)
    reply = client.getresponse()
    reply.read()
    return reply.status


@pytest.mark.parametrize("path", ["/a", "/chunked"])
def test_bodies_pass_unchanged_on_one_kept_connection(client, path):
    assert [get(client, path) for _ in range(3)] == [(200, BODY)] * 3


def test_head_empty_bodies_and_errors_keep_the_connection_in_step(client):
    client.request("HEAD", "/a")
    reply = client.getresponse()
    assert (reply.status, reply.headers["Content-Length"], reply.read()) == (200, str(len(BODY)), b"")
    assert get(client, "/empty") == (200, b"")
    assert get(client, "/missing")[0] == 404
    assert get(client) == (200, BODY)


def test_uploads_pass_unchanged_fixed_and_chunked(client, objects):
    assert put(client, "/b", BODY) == 200
    assert put(client, "/c", iter([BODY, b"more"]), encode_chunked=True) == 200
    assert (objects["/b"], objects["/c"]) == (BODY, BODY + b"more")


def test_host_is_forwarded_as_the_client_sent_it(client, proxy, objects):
    put(client, "/b", b"x")
    assert objects["/host"].decode() == proxy.url.removeprefix("http://")


def test_expect_100_continue_gets_its_go_ahead_and_the_body_arrives(proxy, objects):
    host, port = proxy.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as raw:
        raw.sendall(b"PUT /e HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        assert raw.recv(1000).startswith(b"HTTP/1.1 100 ")
        raw.sendall(b"body")
        assert raw.recv(1000).startswith(b"HTTP/1.1 200 ")
    assert objects["/e"] == b"body"


def test_the_log_has_order_status_and_bytes_but_no_secret(client, proxy):
    get(client, "/a?list-type=2", Authorization="AWS4 secret", **{"X-Amz-Security-Token": "secret", "X-Plain": "1"})
    put(client, "/b", b"12345")
    first, second = proxy.seen()
    assert (first.method, first.path, first.query, first.status) == ("GET", "/a", "list-type=2", 200)
    assert (first.sent_bytes, second.received_bytes) == (len(BODY), 5)
    assert first.headers["x-plain"] == "1"
    assert "secret" not in repr(first)


@pytest.mark.parametrize("path", ["/a", "/chunked"])
def test_cut_gives_the_bytes_before_it_and_no_more(client, proxy, path):
    proxy.add(Rule(fault=Cut(after=70_000)))
    with pytest.raises(http.client.IncompleteRead) as broken:
        get(client, path)
    # of a chunked body http.client gives only whole chunks
    assert broken.value.partial == BODY[: 70_000 if path == "/a" else len(broken.value.partial)]
    assert proxy.seen()[0].sent_bytes == 70_000
    client.close()
    assert get(client, path) == (200, BODY)


def test_reset_is_an_error_of_the_connection(client, proxy):
    proxy.add(Rule(fault=Cut(after=0, reset=True)))
    with pytest.raises(ConnectionResetError):
        get(client)


def test_cut_upload_is_never_stored(client, proxy, objects):
    proxy.add(Rule(method="PUT", fault=Cut(after=100_000, of="request")))
    with pytest.raises(OSError):
        put(client, "/b", BODY)
    assert "/b" not in objects
    assert proxy.seen()[0].received_bytes == 100_000


@pytest.mark.parametrize("path", ["/a", "/chunked"])
def test_truncate_looks_whole_to_the_client(client, proxy, path):
    proxy.add(Rule(fault=Truncate(to=1000)))
    assert get(client, path) == (200, BODY[:1000])


@pytest.mark.parametrize("at", [0, 70_000, len(BODY) - 1])
def test_flip_changes_one_bit_of_a_reply_and_of_a_request(client, proxy, objects, at):
    flipped = BODY[:at] + bytes([BODY[at] ^ 1]) + BODY[at + 1 :]
    proxy.add(Rule(method="GET", fault=Flip(at=at)), Rule(method="PUT", fault=Flip(at=at, of="request")))
    assert get(client) == (200, flipped)
    put(client, "/b", BODY)
    assert objects["/b"] == flipped


def test_swap_before_the_request_lets_the_upstream_answer_with_the_new_version(client, proxy, objects):
    proxy.add(Rule(fault=Swap(call=lambda: objects.update({"/a": b"new"}))))
    assert get(client) == (200, b"new")


def test_swap_in_mid_body_gives_half_a_body_and_then_another_version(client, proxy, objects):
    proxy.add(Rule(fault=Swap(call=lambda: objects.update({"/a": b"new"}), after=50_000, then_cut=True)))
    with pytest.raises(http.client.IncompleteRead) as broken:
        get(client)
    assert broken.value.partial == BODY[:50_000]
    client.close()
    assert get(client) == (200, b"new")


def test_swap_in_mid_body_without_cut_lets_the_old_version_end(client, proxy, objects):
    proxy.add(Rule(fault=Swap(call=lambda: objects.update({"/a": b"new"}), after=50_000)))
    assert get(client) == (200, BODY)
    assert get(client) == (200, b"new")


def test_a_swap_that_raises_is_raised_when_the_proxy_closes(upstream):
    def call():
        msg = "the test's own mistake"
        raise RuntimeError(msg)

    proxy = FaultProxy(upstream)
    proxy.add(Rule(fault=Swap(call=call)))
    client = http.client.HTTPConnection(proxy.url.removeprefix("http://"), timeout=20)
    with contextlib.closing(client), pytest.raises(http.client.RemoteDisconnected):
        get(client)
    with pytest.raises(RuntimeError, match="own mistake"):
        proxy.close()
    proxy.close()


@pytest.mark.parametrize(
    ("answer", "status"),
    [(Answer(status=500, body=b"no"), 500), (s3_error(503, "SlowDown", retry_after_s=1), 503)],
)
def test_answer_keeps_the_upstream_out_of_it_and_the_connection_in_step(client, proxy, objects, answer, status):
    proxy.add(Rule(fault=answer, count=2))
    assert get(client) == (status, answer.body)
    assert put(client, "/b", BODY) == status
    assert "/b" not in objects
    assert get(client) == (200, BODY)


def test_s3_error_carries_code_and_retry_after(client, proxy):
    proxy.add(Rule(fault=s3_error(429, "SlowDown", retry_after_s=7)))
    client.request("GET", "/a")
    reply = client.getresponse()
    assert b"<Code>SlowDown</Code>" in reply.read()
    assert reply.headers["Retry-After"] == "7"


def test_an_answer_to_expect_100_comes_before_the_body(proxy):
    proxy.add(Rule(fault=Answer(status=403)))
    host, port = proxy.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as raw:
        raw.sendall(b"PUT /e HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        assert raw.makefile("rb").read().startswith(b"HTTP/1.1 403 ")


def test_a_lost_reply_leaves_the_deed_done(client, proxy, objects):
    proxy.add(Rule(method="PUT", fault=LoseReply()))
    with pytest.raises(http.client.RemoteDisconnected):
        put(client, "/b", b"done")
    assert objects["/b"] == b"done"
    assert proxy.seen()[0].status == 0


def test_delay_holds_a_request_back(client, proxy):
    proxy.add(Rule(fault=Delay(s=0.3)))
    began = time.monotonic()
    assert get(client) == (200, BODY)
    assert time.monotonic() - began >= 0.3


def test_a_hanging_request_ends_when_the_proxy_is_closed(upstream):
    hung = threading.Event()
    with FaultProxy(upstream) as proxy:
        proxy.add(Rule(fault=Delay(s=math.inf)))
        client = http.client.HTTPConnection(proxy.url.removeprefix("http://"), timeout=20)

        def ask():
            with contextlib.closing(client), pytest.raises(http.client.RemoteDisconnected):
                get(client)
            hung.set()

        thread = threading.Thread(target=ask)
        thread.start()
        deadline = time.monotonic() + 10
        while not proxy.seen() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not hung.is_set()
    thread.join(10)
    assert hung.is_set()


def test_rules_count_their_matches(client, proxy):
    proxy.add(Rule(path="/a", method="GET", nth=2, count=2, fault=Answer(status=500)))
    put(client, "/a", BODY)
    assert [get(client)[0] for _ in range(4)] == [200, 500, 500, 200]


def test_a_rule_may_look_at_query_and_headers_and_go_on_for_ever(client, proxy):
    proxy.add(Rule(query="*uploads*", headers={"range": "bytes=0-*"}, count=None, fault=Answer(status=418)))
    assert get(client, "/a?uploads")[0] == 200
    assert get(client, "/a", Range="bytes=0-9")[0] == 200
    assert [get(client, "/a?uploads", Range="bytes=0-9")[0] for _ in range(3)] == [418] * 3
    proxy.clear()
    assert get(client, "/a?uploads", Range="bytes=0-9")[0] == 200


def test_two_connections_share_the_bandwidth_of_a_direction(proxy):
    proxy.throttle(down_bytes_s=len(BODY) * 4)
    host = proxy.url.removeprefix("http://")

    def fetch():
        with contextlib.closing(http.client.HTTPConnection(host, timeout=20)) as client:
            assert get(client) == (200, BODY)

    threads = [threading.Thread(target=fetch) for _ in range(2)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - began
    assert took >= 0.45  # two bodies of a quarter of a second each, one link


def test_directions_are_throttled_apart(client, proxy):
    proxy.throttle(up_bytes_s=len(BODY))
    began = time.monotonic()
    get(client)
    down = time.monotonic() - began
    put(client, "/b", BODY)
    up = time.monotonic() - began - down
    assert up >= 0.8
    assert down < up


def test_only_plain_http_is_relayed():
    with pytest.raises(ValueError, match="only http"):
        FaultProxy("https://127.0.0.1:1")

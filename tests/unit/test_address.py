"""`scalr_tasks/address.py`: each way in which a URL can be right, and each in which it can be wrong."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalr_tasks.address import RedisAddress
from scalr_tasks.errors import SettingsError

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    ("url", "fields"),
    [
        ("redis://cache", {"host": "cache", "port": 6379, "database": 0}),
        ("redis://cache:6380", {"host": "cache", "port": 6380}),
        ("redis://cache/", {"host": "cache", "database": 0}),
        ("redis://cache/3", {"database": 3}),
        ("redis://cache/3?", {"database": 3}),
        ("redis://cache?db=4", {"database": 4}),
        ("redis://cache/4?db=4", {"database": 4}),
        ("REDIS://cache", {"scheme": "redis"}),
        ("redis://10.0.0.7:6379/1", {"host": "10.0.0.7"}),
        ("redis://my_cache.internal-1", {"host": "my_cache.internal-1"}),
        ("redis://[::1]:6380/1", {"host": "::1", "port": 6380, "database": 1}),
        ("redis://[2001:db8::7]", {"host": "2001:db8::7", "port": 6379}),
        ("redis://@cache", {"host": "cache", "username": None, "password": None}),
        ("redis://app@cache", {"username": "app", "password": None}),
        ("redis://app:@cache", {"username": "app", "password": None}),
        ("rediss://cache", {"scheme": "rediss", "ssl_cert_reqs": "required", "ssl_check_hostname": True}),
        ("rediss://cache?ssl_cert_reqs=none", {"ssl_cert_reqs": "none", "ssl_check_hostname": False}),
        ("rediss://cache?ssl_cert_reqs=Optional", {"ssl_cert_reqs": "optional", "ssl_check_hostname": True}),
        ("rediss://cache?ssl_check_hostname=no", {"ssl_check_hostname": False}),
        ("rediss://cache?ssl_ca_certs=%2Fetc%2Fca%20.pem", {"ssl_ca_certs": "/etc/ca .pem"}),
        ("rediss://cache?ssl_certfile=a&ssl_keyfile=b&db=2", {"ssl_certfile": "a", "ssl_keyfile": "b", "database": 2}),
        ("unix:///run/redis.sock", {"scheme": "unix", "unix_socket_path": "/run/redis.sock", "database": 0}),
        ("unix:///run/a%20b@c.sock?db=2", {"unix_socket_path": "/run/a b@c.sock", "database": 2}),
        ("unix://app@/run/redis.sock", {"username": "app", "unix_socket_path": "/run/redis.sock"}),
        (
            "redis+sentinel://s1:26380,s2,[::1]:26381/mymaster/2",
            {"sentinels": (("s1", 26380), ("s2", 26379), ("::1", 26381)), "sentinel_master": "mymaster", "database": 2},
        ),
        ("redis+sentinel://s1/mymaster", {"host": "s1", "port": 26379, "database": 0}),
        ("redis+sentinel://s1/mymaster/", {"sentinel_master": "mymaster", "database": 0}),
        ("redis+sentinel://s1/my%2Fmaster?db=1", {"sentinel_master": "my/master", "database": 1}),
        ("redis+sentinel://s1/m?sentinel_username=watch", {"sentinel_username": "watch"}),
        ("rediss+sentinel://s1/m?ssl_check_hostname=false", {"scheme": "rediss+sentinel", "ssl_check_hostname": False}),
    ],
)
def test_a_url_says_where_redis_is(url: str, fields: dict[str, Any]) -> None:
    address = RedisAddress.parse(url)

    assert {name: getattr(address, name) for name in fields} == fields


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("", "is empty; write redis://localhost:6379/0"),
        ("  ", "is empty; write redis://localhost:6379/0"),
        ("'redis://cache'", "has quotes around it"),
        ('redis://cache"', "has quotes around it"),
        ("redis://ca che", "has a blank or a control character in it"),
        ("redis://cache\n", "has a blank or a control character in it"),
        (f"redis://:{SECRET}\x00@cache", "has a blank or a control character in it"),
        ("cache:6379", "is no URL; expected one like redis://localhost:6379/0"),
        ("redis:/cache", "is no URL"),
        (f":{SECRET}@cache:6379", "is no URL"),
        ("reddis://cache", "has an unknown scheme; did you mean 'redis'?"),
        ("http://cache", "has an unknown scheme; known: redis, "),
        ("redis://", "names no host"),
        ("redis:///0", "names no host"),
        (f"redis://:{SECRET}@:6379/0", "names no host"),
        ("redis://a,b/0", "names several hosts; for Sentinel write redis+sentinel://host1,host2/mymaster/0"),
        ("redis://cache:port", "has a port that is not 1 to 65535"),
        (f"redis://app:{SECRET}", "has a port that is not 1 to 65535; an @ stands between a password and the host"),
        ("redis://cache:", "has a port that is not 1 to 65535"),
        ("redis://cache:0", "has a port that is not 1 to 65535"),
        ("redis://cache:65536", "has a port that is not 1 to 65535"),
        ("redis://cache:" + "9" * 5000, "has a port that is not 1 to 65535"),
        ("redis://cache:٣", "has a port that is not 1 to 65535"),
        ("redis://::1", "has more than one : in its host"),
        (f"redis://app:{SECRET}:cache:6379", "has more than one : in its host"),
        ("redis://[::1", "has a [ without its ]"),
        ("redis://[::1]6379", "has a [ without its ]"),
        ("redis://[cache]", "has no IPv6 address between its brackets"),
        ("redis://ca<che", "has a host with a character that no host name has"),
        ("redis://cache/zero", "has a database that is not a whole number"),
        ("redis://cache/-1", "has a database that is not a whole number"),
        ("redis://cache/0/1", "has a database that is not a whole number"),
        ("redis://cache?db=1.5", "has a database that is not a whole number"),
        ("redis://cache/1?db=2", "names two databases, in its path and as db; leave one of them out"),
        (f"redis://app:{SECRET[:2]}/{SECRET}@cache", "has an @ after its host; write / as %2F"),
        (f"redis://app:{SECRET[:2]}?{SECRET}@cache", "has an @ after its host; write / as %2F"),
        (f"redis://app:{SECRET[:2]}#{SECRET}@cache", "has an @ after its host; write / as %2F"),
        ("redis://cache/0#x", "has a # in it"),
        (f"redis://app:{SECRET}%zz@cache", "has a password with a % that two hex digits do not follow"),
        (f"redis://app%:{SECRET}@cache", "has a user name with a % that two hex digits do not follow"),
        (f"redis://app:{SECRET}%ff@cache", "has a password that is not UTF-8 once it is decoded"),
        ("rediss://cache?ssl_ca_cert=x", "has an unknown option 'ssl_ca_cert'; did you mean 'ssl_ca_certs'?"),
        (f"redis://cache?{SECRET}=1", "has an unknown option; known: db"),
        ("redis://cache?db=1&db=1", "says db twice; leave one of them out"),
        ("redis://cache?db=", "has an option db without a value"),
        ("redis://cache?ssl_cert_reqs=none", "has an option ssl_cert_reqs without TLS; write rediss://"),
        ("redis+sentinel://a/m?ssl_keyfile=x", "has an option ssl_keyfile without TLS; write rediss+sentinel://"),
        ("redis://cache?sentinel_password=x", "has an option sentinel_password without Sentinel"),
        ("rediss://cache?ssl_cert_reqs=maybe", "cannot be read; expected required, optional or none"),
        ("rediss://cache?ssl_check_hostname=2", "cannot be read; expected true, false, 1, 0, yes or no"),
        ("rediss://cache?ssl_certfile=a", "has one of ssl_certfile and ssl_keyfile; give both or none"),
        (
            "rediss://cache?ssl_cert_reqs=none&ssl_check_hostname=true",
            "checks the host name of a certificate that it does not require",
        ),
        ("unix://run/redis.sock", "has a host before the socket's path; write three slashes"),
        ("unix:///", "names no socket; write unix:///run/redis.sock"),
        ("unix:///run/redis.sock?port=1", "has an unknown option"),
        ("redis+sentinel://s1", "names no master; write redis+sentinel://host:26379/mymaster/0"),
        ("redis+sentinel://s1//0", "names no master"),
        ("redis+sentinel://s1,/mymaster", "names no host"),
        ("redis+sentinel://s1/mymaster/x", "has a database that is not a whole number"),
    ],
)
def test_a_wrong_url_says_in_one_line_what_is_wrong_and_never_the_password(url: str, text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        RedisAddress.parse(url, setting="REDIS_URL")

    said = str(caught.value)
    assert said.startswith("REDIS_URL ")
    assert text in said
    assert SECRET not in said
    assert "\n" not in said
    assert not said.endswith(".")


@given(st.text(min_size=1), st.text(min_size=1))
def test_every_password_can_be_written(username: str, password: str) -> None:
    address = RedisAddress.parse(f"redis://{percent(username)}:{percent(password)}@cache/1")

    assert address.username == username
    assert address.password is not None
    assert address.password.get_secret_value() == password


@given(st.text())
def test_no_text_does_anything_but_be_read_or_be_refused(url: str) -> None:
    for text in (url, f"redis://{url}", f"rediss://a?{url}", f"redis+sentinel://{url}"):
        try:
            RedisAddress.parse(text)
        except SettingsError:
            continue


def percent(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        (f"redis://app:{SECRET}@cache/1", "redis://cache:6379/1"),
        (f"rediss://:{SECRET}@[::1]:7/1?ssl_cert_reqs=none", "rediss://[::1]:7/1"),
        (f"unix://:{SECRET}@/run/redis.sock?db=1", "unix:///run/redis.sock?db=1"),
        (f"redis+sentinel://:{SECRET}@a,b:7/m/2?sentinel_password={SECRET}", "redis+sentinel://a:26379,b:7/m/2"),
    ],
)
def test_no_text_of_an_address_shows_its_passwords(url: str, safe: str) -> None:
    address = RedisAddress.parse(url)

    assert address.safe_url == str(address) == safe
    assert SECRET not in repr(address)


@pytest.mark.parametrize(
    "safe",
    ["redis://cache:6379/1", "rediss://[::1]:7/1", "unix:///run/redis.sock?db=1", "redis+sentinel://a:26379,b:7/m/2"],
)
def test_a_safe_url_is_a_url(safe: str) -> None:
    assert RedisAddress.parse(safe).safe_url == safe


def test_an_address_left_out_is_the_local_redis() -> None:
    assert RedisAddress() == RedisAddress.parse("redis://localhost:6379/0")


@pytest.mark.parametrize(("url", "tls"), [("redis://a", False), ("rediss://a", True), ("rediss+sentinel://a/m", True)])
def test_an_address_says_whether_it_is_encrypted(url: str, tls: bool) -> None:
    assert RedisAddress.parse(url).tls is tls

import pytest

from mithaq.standards.observable import Observable
from mithaq.telemetry.parsers.fields import observables_of


def found(record: dict[str, object]) -> set[str]:
    return {str(observable) for _, observable in observables_of(record)}


def test_dns_query_and_answers_are_names_and_addresses() -> None:
    record = {"query": "A.Evil.Example.", "answers": ["cdn.evil.example", "192.0.2.7", "2001:DB8:0:0:0:0:0:1"]}
    assert found(record) == {
        "domain:a.evil.example",
        "domain:cdn.evil.example",
        "ipv4:192.0.2.7",
        "ipv6:2001:db8::1",
    }


def test_a_ja3_is_taken_only_from_a_ja3_field() -> None:
    digest = "e0fe397a5edfba9a6facc7c7b341f4eb"
    assert found({"ja3": digest}) == {f"ja3:{digest}"}
    assert found({"tls": {"ja3": {"hash": digest, "string": "771,4865"}}}) == {f"ja3:{digest}"}
    assert found({"md5": digest}) == {f"md5:{digest}"}
    assert found({"ja3s": digest}) == set()
    assert found({"tls": {"ja3s": {"hash": digest}}}) == set()
    assert found({"uid": digest}) == set()


def test_a_ja4_is_taken_only_from_a_ja4_field() -> None:
    ja4 = "t13d1516h2_8daaf6152771_e5627efa2ab1"
    assert found({"tls": {"ja4": ja4}}) == {f"ja4:{ja4}"}
    assert found({"note": ja4}) == set()


def test_hashes_are_read_by_the_name_of_their_field() -> None:
    record = {
        "sha1": "2FB62CBA8637A775A55739F30435B22FD7E88BF6",
        "resp_certificate_sha1": "bc3a6953a08963c9be9fceb75dbe83f7c225ac8e",
        "file": {"hash": {"sha256": "0" * 64}},
        "tls": {"fingerprint": ":".join(["ab"] * 20)},
    }
    assert found(record) == {
        "sha1:2fb62cba8637a775a55739f30435b22fd7e88bf6",
        "sha1:bc3a6953a08963c9be9fceb75dbe83f7c225ac8e",
        "sha256:" + "0" * 64,
        "sha1:" + "ab" * 20,
    }


def test_an_address_is_found_in_any_field_however_deep() -> None:
    record = {"tx_hosts": ["192.0.2.1"], "a": [{"b": {"c": [["::ffff:198.51.100.9"]]}}], "dst": "203.0.113.5"}
    assert found(record) == {"ipv4:192.0.2.1", "ipv4:198.51.100.9", "ipv4:203.0.113.5"}


@pytest.mark.parametrize(
    "record",
    [
        {"filename": "gpt.ini"},
        {"msg": "connection to 192.0.2.7 refused"},
        {"user_agent": "192.0.2.7"},
        {"client_version": "10.0.18.36"},
        {"orig_l2_addr": "00:0d:3a:13:e3:69"},
        {"service": "gssapi,smb,krb"},
        {"id_orig_p": 443},
        {"query": "TXT 12 some text"},
        {"host": "no spaces here.example"},
    ],
)
def test_what_only_looks_like_an_observable_is_left_alone(record: dict[str, object]) -> None:
    assert found(record) == set()


def test_a_url_is_composed_where_host_and_path_are_logged_apart() -> None:
    zeek = {"id.resp_p": 80, "host": "Evil.Example", "uri": "/a?b=1"}
    assert "url:http://evil.example/a?b=1" in found(zeek)
    assert "domain:evil.example" in found(zeek)
    eve = {"http": {"hostname": "evil.example", "url": "/x", "http_port": 8080}}
    assert found(eve) == {
        "domain:evil.example",
        "url:http://evil.example/x",
        "url:http://evil.example:8080/x",
    }
    assert "url:https://evil.example/y" in found({"scheme": "https", "host": "evil.example", "path": "/y"})


def test_a_url_and_an_email_address_also_name_their_host() -> None:
    assert found({"referrer": "http://Evil.Example:80/a"}) == {"url:http://evil.example/a", "domain:evil.example"}
    assert found({"url": "http://192.0.2.9:8080/"}) == {"url:http://192.0.2.9:8080/", "ipv4:192.0.2.9"}
    assert found({"url": "http://[2001:db8::9]:8080/"}) == {"url:http://[2001:db8::9]:8080/", "ipv6:2001:db8::9"}
    sender = {"mailfrom": "<Boss@Evil.Example>", "to": ['"The Boss" <chief@evil.example>']}
    assert found(sender) == {"email:boss@evil.example", "email:chief@evil.example", "domain:evil.example"}


def test_a_proxy_host_may_carry_a_port_and_a_certificate_name_a_wildcard() -> None:
    assert found({"cs-host": "evil.example:8443"}) == {"domain:evil.example"}
    assert found({"host": "192.0.2.4:8443"}) == {"ipv4:192.0.2.4"}
    assert found({"san.dns": ["*.evil.example"]}) == {"domain:evil.example"}


def test_each_field_and_observable_comes_once_with_its_path() -> None:
    record = {"dns": {"answers": [{"rdata": "192.0.2.1"}, {"rdata": "192.0.2.1"}]}, "dst": "192.0.2.1"}
    seen = Observable("ipv4", "192.0.2.1")
    assert observables_of(record) == (("dns.answers.rdata", seen), ("dst", seen))


def test_a_hostile_record_gives_a_bounded_number_of_observables() -> None:
    record = {"answers": [f"a{number}.evil.example" for number in range(100_000)]}
    assert len(observables_of(record)) <= 2_001

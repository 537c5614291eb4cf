"""Indicators are found in pasted text and reports in three languages, and nothing else is."""

from __future__ import annotations

import time

import pytest

from mithaq.standards.defang import extract, refang_value
from mithaq.standards.observable import canonical_observable

H256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
MD5 = "d41d8cd98f00b204e9800998ecf8427e"

SENTENCES = [
    (
        "The implant beacons to evil-c2[.]example-corp[.]net over 443 and falls back to 203.0.113[.]45.",
        {"domain:evil-c2.example-corp.net", "ipv4:203.0.113.45"},
    ),
    (
        f"hxxps://login-portal[.]badsite[.]org/auth/index.php?id=7 dropped a loader (SHA-256 {H256}).",
        {"url:https://login-portal.badsite.org/auth/index.php?id=7", f"sha256:{H256}"},
    ),
    (
        "Exploits CVE-2024-3400 and CVE-2023-46805; contact actor@dropmail[.]cc.",
        {"cve:CVE-2024-3400", "cve:CVE-2023-46805", "email:actor@dropmail.cc"},
    ),
    (
        "C2 list: 198[.]51[.]100[.]7:8443, 2001:db8::dead:beef, update(dot)winsvc(dot)info.",
        {"ipv4:198.51.100.7", "ipv6:2001:db8::dead:beef", "domain:update.winsvc.info"},
    ),
    (f"MD5 {MD5} seen with mutex Global\\abc.", {f"md5:{MD5}"}),
    (
        "L’implant contacte le serveur de commande « portail-impots[.]secure-fr[.]com » (adresse 192.0.2[.]77).",
        {"domain:portail-impots.secure-fr.com", "ipv4:192.0.2.77"},
    ),
    (
        (
            f"Le fichier d’empreinte SHA-256 : {H256} a été téléchargé depuis "
            "hxxp://maj-systeme[.]info/pkg.bin, puis exécuté."
        ),
        {f"sha256:{H256}", "url:http://maj-systeme.info/pkg.bin"},
    ),
    (
        (
            "Les attaquants exploitent la vulnérabilité CVE-2021-44228.Ensuite, ils exfiltrent vers l’adresse : "
            "exfil@boite[.]fr."
        ),
        {"cve:CVE-2021-44228", "email:exfil@boite.fr"},
    ),
    (
        "Domaines observés : telechargement-màj.example.net, côté.evil[.]fr et xn--tlchargement-ceb.fr.",
        {"domain:telechargement-màj.example.net", "domain:côté.evil.fr", "domain:xn--tlchargement-ceb.fr"},
    ),
    (
        f"Adresse IP : 198.51.100.23 ; port : 4444 ; empreinte MD5 : {MD5}.",
        {"ipv4:198.51.100.23", f"md5:{MD5}"},
    ),
    (
        "يتصل البرنامج الخبيث بالخادم update-gov[.]ma-portal[.]com، ثم بالعنوان 203.0.113[.]99.",
        {"domain:update-gov.ma-portal.com", "ipv4:203.0.113.99"},
    ),
    (
        f"استغل المهاجمون الثغرة CVE-2022-30190،والبصمة هي {H256}،وتم التنزيل من hxxps://files[.]wathiqa[.]net/doc.docx؛",
        {"cve:CVE-2022-30190", f"sha256:{H256}", "url:https://files.wathiqa.net/doc.docx"},
    ),
    (
        "عنوان الخادم هو ٢٠٣٫٠٫١١٣٫٥٠ أو ‎198.51.100.60‎ عبر المنفذ ٤٤٣.",
        {"ipv4:203.0.113.50", "ipv4:198.51.100.60"},
    ),
    (
        "البريد الإلكتروني للمهاجم: info@muasasa[.]org؛ والنطاق: موقع.وزارة.السعودية والنطاق xn--mgbaam7a8h.",
        {"email:info@muasasa.org", "domain:موقع.وزارة.السعودية"},
    ),
    (
        "(198.51.100.61)،(evil.example.com)،[cve-2023-23397]",
        {"ipv4:198.51.100.61", "domain:evil.example.com", "cve:CVE-2023-23397"},
    ),
]


def canonical(names: set[str]) -> set[str]:
    return {name if name.startswith("cve:") else str(canonical_observable(*name.split(":", 1))) for name in names}


@pytest.mark.parametrize(("sentence", "expected"), SENTENCES)
def test_a_report_gives_its_indicators_and_no_other(sentence: str, expected: set[str]) -> None:
    assert {f"{item.kind}:{item.value}" for item in extract(sentence)} == canonical(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("evil [.] example and bad{.}example", {"domain:evil.example", "domain:bad.example"}),
        ("hxxp[:]//evil[.]example[/]a", {"url:http://evil.example/a"}),
        ("hXXps[://]evil.example/a)", {"url:https://evil.example/a"}),
        ("voir (http://evil.example/a_(b)).", {"url:http://evil.example/a_(b)"}),
        ("http://a.example/1,http://b.example/2", {"url:http://a.example/1", "url:http://b.example/2"}),
        ("actor[at]evil[dot]example", {"email:actor@evil.example"}),
        ("النطاق evil(نقطة)example", {"domain:evil.example"}),
        ("وevil.com وب198.51.100.9", {"domain:evil.com", "ipv4:198.51.100.9"}),
        ("198.51.100.0/24 et 2001:db8::/32", {"cidr:198.51.100.0/24", "cidr:2001:db8::/32"}),
        ("[2001:db8::1]:443", {"ipv6:2001:db8::1"}),
        (f"JA3: {MD5}", {f"ja3:{MD5}"}),
        (f"JA3 fingerprint = {MD5}", {f"ja3:{MD5}"}),
        (f"JA3S {MD5}", set()),
        ("t13d1516h2_8daaf6152771_e5627efa2ab1", {"ja4:t13d1516h2_8daaf6152771_e5627efa2ab1"}),
        (f"{MD5}\n{'a' * 40}\n{'b' * 64}", {f"md5:{MD5}", f"sha1:{'a' * 40}", f"sha256:{'b' * 64}"}),
        ("evil.example:8443", {"domain:evil.example"}),
        ("evil.example/gate.php", {"url:http://evil.example/gate.php"}),
        ("e\u200bvil.exa\u2066mple", {"domain:evil.example"}),
        ("weird[.]unknowntld", {"domain:weird.unknowntld"}),
    ],
)
def test_the_ways_people_write_indicators_are_understood(text: str, expected: set[str]) -> None:
    assert {f"{item.kind}:{item.value}" for item in extract(text)} == expected


@pytest.mark.parametrize(
    "text",
    [
        "install.sh and setup.py, then archive.zip and README.md",
        "It is done.It was late. See e.g. this, i.e. that; ASP.NET and Node.js.",
        "at 12:30:45 on 12/05/2024, and/or later, std::string",
        "version 10.2.3.4 of the program",
        "report.docx pkg.bin a.b.c",
        "MAC 00:11:22:33:44:55",
        "لا شيء هنا.",
        "",
        "[.] (dot) {.} @ :// http:// []",
    ],
)
def test_ordinary_words_are_no_indicators(text: str) -> None:
    assert extract(text) == ()


def test_a_value_is_found_once_and_in_the_order_of_the_text() -> None:
    found = extract("b.example a.example B.example")
    assert [item.value for item in found] == ["b.example", "a.example"]


def test_one_defanged_value_is_restored() -> None:
    assert refang_value(" hxxps://evil[.]example/a ") == "https://evil.example/a"


@pytest.mark.parametrize(
    "unit", ["http://", "a.", "[.]", "[", "a@", "CVE-2024-", ":", "(", "٣٫", "a" * 31 + " ", "http://a.b/,"]
)
def test_hostile_text_takes_linear_time(unit: str) -> None:
    def seconds(length: int) -> float:
        text = unit * (length // len(unit))
        started = time.process_time()
        extract(text)
        return time.process_time() - started

    seconds(2_000)
    small, large = max(seconds(20_000), 0.002), seconds(200_000)
    assert large < small * 40

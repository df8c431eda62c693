from counterspin.report import formats


def plain(text: str) -> str:
    return text.replace("\u00a0", " ").replace("\u202f", " ")


def test_numbers() -> None:
    assert [formats.number(v) for v in (None, 0.0, 0.1, 0.123456, 1e-9)] == ["–", "0", "0.1", "0.1235", "1e-09"]
    assert plain(formats.count(1234567)) == "1 234 567"
    assert [plain(formats.seconds(s)) for s in (0.4231, 12.34, 59.99, 185.2)] == [
        "0.42 s",
        "12.3 s",
        "60.0 s",
        "3 min 5 s",
    ]


def test_p_values() -> None:
    assert [plain(formats.p_value(p)) for p in (None, 1.0, 0.03125, 1e-4, 9e-5)] == [
        "–",
        "1",
        "0.031",
        "0.0001",
        "< 0.0001",
    ]

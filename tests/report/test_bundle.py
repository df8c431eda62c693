from xml.etree import ElementTree

from counterspin.evaluation.records import AuditRecord
from counterspin.report import bundle, charts, theme


def test_bundle_can_stand_in_a_script_element() -> None:
    text = bundle.javascript()
    assert "window.vegaEmbed" in text
    assert "</script" not in text.lower()
    assert "<!--" not in text
    assert "\r" not in text  # a parser would turn it into a line feed and the digest of the policy would not match
    assert len(text.encode()) < 1_200_000


def test_static_svg_follows_the_page_and_has_no_ids(record: AuditRecord) -> None:
    config = theme.vega_config(theme.css_palette())
    svg = bundle.static_svg(charts.security_curve(record).spec, config=config, width=620)
    root = ElementTree.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "var(--series-0, #00805e)" in svg
    # Several drawings share the page: an id, or a reference to one, could clash.
    assert not [element for element in root.iter() if "id" in element.attrib]
    assert "url(" not in svg
    texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"worst case", "certified", "fgsm", "100%", "0.15", "ε (share of ‖x‖, L2)"} <= texts

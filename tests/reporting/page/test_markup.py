from tsmu_jax.reporting.page.markup import Html, element, joined


def test_texts_and_attributes_are_escaped_and_markup_is_not() -> None:
    inner = element("b", "<script>", title='"><script>')
    assert inner == '<b title="&quot;&gt;&lt;script&gt;">&lt;script&gt;</b>'
    assert element("p", inner, " & more", None) == f"<p>{inner} &amp; more</p>"
    assert joined(["<", Html("<br>")]) == "&lt;<br>"


def test_markup_that_is_written_into_another_text_is_escaped_again() -> None:
    assert element("p", f"{element('b', 'x')}") == "<p>&lt;b&gt;x&lt;/b&gt;</p>"


def test_attributes() -> None:
    assert element("input", checked=True, hidden=False, class_="a", aria_label="b", max=0.5) == (
        '<input checked class="a" aria-label="b" max="0.5">'
    )
    assert element("meta", name="viewport", content=None) == '<meta name="viewport">'

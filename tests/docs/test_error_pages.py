"""`docs/reference/errors/`: a page for each code, as the classes say."""

from tests.docs.error_pages import FOLDER, WHAT_TO_DO, codes, pages


def test_every_code_has_a_page_that_is_what_the_classes_say() -> None:
    written = {path.name: path.read_text() for path in FOLDER.glob("*.md")}

    assert written == pages(), "write them anew: python -m tests.docs.error_pages"


def test_every_code_says_what_to_do() -> None:
    assert WHAT_TO_DO.keys() == codes().keys()

"""What another site's page can make a browser send."""

import pytest
from starlette.datastructures import Headers

from dicom_node.web.auth.csrf import is_forged


@pytest.mark.parametrize(
    ("method", "said", "by_cookie", "forged"),
    [
        ("GET", {"sec-fetch-site": "cross-site"}, True, False),
        ("POST", {"sec-fetch-site": "same-origin"}, True, False),
        ("POST", {"sec-fetch-site": "none"}, True, False),
        ("POST", {"sec-fetch-site": "same-site"}, True, True),
        ("DELETE", {"sec-fetch-site": "cross-site"}, False, True),
        ("POST", {"origin": "http://here"}, True, False),
        ("POST", {}, True, True),
        ("POST", {}, False, False),
    ],
)
def test_a_browser_says_whose_page_it_is(method, said, by_cookie, forged):
    assert is_forged(method, Headers(said), by_cookie=by_cookie) is forged

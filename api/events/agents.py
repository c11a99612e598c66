"""What kind of program sent an event, told by its User-Agent: general invalid traffic only (MRC), no guessing.

The list of bots is CrawlerDetect's, kept current by its package. A made-up agent can cost 20 ms of its regular
expression, so this runs in the sink, never on the event loop.
"""

import re
from functools import lru_cache

from crawlerdetect import CrawlerDetect

from api.events.reasons import Flag

_AUTOMATED = re.compile(r"HeadlessChrome|PhantomJS|Electron/|Puppeteer|Playwright|Selenium|WebDriver", re.IGNORECASE)
_BROWSER = re.compile(r"^(Mozilla/[45]\.0 \(|Opera/9)")
_detector = CrawlerDetect()


@lru_cache(maxsize=20_000)
def agent_flag(user_agent: str) -> Flag | None:
    """Why events of this agent are not net, or None for a person's browser."""
    if not _BROWSER.match(user_agent):
        return Flag.known_bot if user_agent and _detector.is_crawler(user_agent) else Flag.non_browser_agent
    if _AUTOMATED.search(user_agent):
        return Flag.automated_browser
    return Flag.known_bot if _detector.is_crawler(user_agent) else None

"""A real Chromium for the tests of this folder, in any language, with JavaScript and without."""

import os
import shutil

import pytest

from krauth_sandbox import Sandbox

PATIENCE = 20
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CHROMEDRIVER = shutil.which("chromedriver")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    "--host-resolver-rules=MAP evil.example 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def launch(tmp_path_factory):
    """Launch a browser that speaks a language, and close it in the end."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    if not (CHROMIUM and CHROMEDRIVER):
        reason = "no Chromium with its driver here (Debian: chromium, chromium-driver)"
        if os.environ.get("CI") == "true" and shutil.which("apt-get") and os.geteuid() == 0:
            pytest.fail(f"{reason}: .ci/run has to install them")
        pytest.skip(reason)
    drivers = {}

    def launch(language="en", javascript=True):
        if (language, javascript) in drivers:
            return drivers[language, javascript]
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for flag in (*FLAGS, f"--lang={language}", f"--accept-lang={language}"):
            options.add_argument(flag)
        options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
        preferences = {"intl.accept_languages": language}
        if not javascript:
            preferences["profile.managed_default_content_settings.javascript"] = 2
        options.add_experimental_option("prefs", preferences)
        driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(CHROMEDRIVER))
        drivers[language, javascript] = driver
        driver.set_page_load_timeout(PATIENCE)
        driver.implicitly_wait(PATIENCE)
        return driver

    yield launch
    for driver in drivers.values():
        driver.quit()


@pytest.fixture
def browser(launch):
    """A browser without the cookies of the test before."""
    driver = launch()
    driver.delete_all_cookies()
    return driver

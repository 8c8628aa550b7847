"""The operator's page in a real browser: `python page_browser.py HOST PORT METRICS_PORT TOKEN SCREENSHOT`.

Chromium without a screen, by Debian's driver. What the page may run, load and show is judged by the browser itself.
"""

import random
import sys

import redis
from report import Report, equal
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

HOST, PORT, METRICS_PORT, TOKEN, SCREENSHOT = sys.argv[1:6]
PATIENCE_S = 20
HOSTILE = "<img src=x onerror=\"document.title='broken'\">"

client = redis.Redis(host=HOST, port=int(PORT))


def browser():
    options = Options()
    options.binary_location = "/usr/bin/chromium"
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))


driver = browser()


def text(element):
    return driver.find_element(By.ID, element).text


def comes(what, is_so):
    WebDriverWait(driver, PATIENCE_S, 0.1).until(lambda _: is_so(), message=what)


def load():
    """Some hits and misses, and a fill that stays open under a hostile name."""
    for _ in range(200):
        client.set(f"key:{random.randint(1, 50)}", "x" * 100)
        client.get(f"key:{random.randint(1, 100)}")
    client.execute_command("FILL.GET", HOSTILE)


def shut_without_a_token():
    driver.get(f"http://{HOST}:{METRICS_PORT}/")
    comes("a token is asked for", lambda: driver.find_element(By.ID, "login").is_displayed())
    assert not driver.find_element(By.ID, "main").is_displayed()
    # The refusal itself is an error to the browser.
    driver.get_log("browser")
    driver.find_element(By.ID, "token").send_keys("wrong")
    driver.find_element(By.CSS_SELECTOR, "#login button").click()
    comes("it says so", lambda: "not the token" in text("verdict"))
    driver.get_log("browser")


def open_with_the_token():
    field = driver.find_element(By.ID, "token")
    field.clear()
    field.send_keys(TOKEN)
    driver.find_element(By.CSS_SELECTOR, "#login button").click()
    comes("the page is shown", lambda: driver.find_element(By.ID, "main").is_displayed())
    assert TOKEN not in driver.current_url and TOKEN not in driver.page_source
    assert "Healthy" in text("verdict"), text("verdict")


def figures_move():
    load()
    comes("commands are counted", lambda: "GET" in text("commands"))
    before = text("tiles")
    load()
    comes("figures move", lambda: text("tiles") != before)
    comes("memory has parts", lambda: "entries" in text("memory-legend"))


def hostile_names_stay_text():
    comes("the key is shown", lambda: HOSTILE in text("oldest"))
    equal(driver.find_elements(By.CSS_SELECTOR, "img, iframe, object, main script"), [], "elements made of names")
    assert "broken" not in driver.title


def narrow_and_wide():
    for width in (360, 1280):
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
        )
        wide = driver.execute_script("return document.documentElement.scrollWidth")
        assert wide <= width, f"{wide} pixels of {width}"


def light_and_dark():
    papers = []
    for scheme in ("light", "dark"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        papers.append(driver.execute_script("return getComputedStyle(document.body).backgroundColor"))
    assert papers[0] != papers[1], papers
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def trouble_in_words():
    client.config_set("protected-mode", "no")
    comes("a warning", lambda: "there is no password" in text("warnings"))
    assert "Healthy" not in text("verdict")
    client.config_set("protected-mode", "yes")
    comes("all is well again", lambda: "Healthy" in text("verdict"))


def nothing_to_complain_of():
    equal(driver.get_log("browser"), [], "the browser's complaints")


def lost_server_is_told():
    driver.save_screenshot(SCREENSHOT)
    client.config_set("metrics-port", 0)
    client.shutdown(nosave=True)
    comes("it says so", lambda: "does not answer" in text("verdict"))


def main():
    report = Report(f"chromium {driver.capabilities['browserVersion']}")
    for check in (
        shut_without_a_token,
        open_with_the_token,
        figures_move,
        hostile_names_stay_text,
        narrow_and_wide,
        light_and_dark,
        trouble_in_words,
        nothing_to_complain_of,
        lost_server_is_told,
    ):
        report.run(check.__name__, check)
    driver.quit()
    return report.close()


if __name__ == "__main__":
    sys.exit(main())

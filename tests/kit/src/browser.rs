//! A browser of a test's own: Chromium, without a window.

use std::{path::Path, time::Duration};

use fantoccini::{
    Client, ClientBuilder, Locator,
    actions::{InputSource, KeyAction, KeyActions},
    cookies::Cookie,
    elements::Element,
    error::CmdError,
    wd::{Capabilities, WebDriverCompatibleCommand},
};
use http::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use url::{ParseError, Url};

use crate::{Child, Folder, free_port, tool, wait_for, wait_until};

/// Long beside everything that a page does, and beside the start of a browser on a busy machine.
const SOON: Duration = Duration::from_mins(2);

/// WCAG 2.2, levels A and AA, and what is good practice beside them.
const RULES: [&str; 6] = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/// Those of them that hang on colours and sizes; the others ask what is in the page.
const RULES_OF_LOOKS: [&str; 4] =
    ["color-contrast", "link-in-text-block", "target-size", "scrollable-region-focusable"];

/// One window of a browser with a fresh profile, which knows no cookie and no page. It ends with this value.
///
/// What names an element by CSS waits for it, and means the first one. What goes wrong is a panic that says what was
/// looked for, and where.
pub struct Browser {
    client: Client,
    // In this order: the browser writes into its folder until it is gone.
    _driver: Child,
    profile: Folder,
}

impl Browser {
    /// Starts one, 1280 by 900, in the light scheme.
    pub async fn start() -> Self {
        let profile = Folder::new("browser");
        // With a port of its own choice it ends when another has that one at `::1`.
        let port = free_port();
        let driver = Child::spawn("chromedriver", &tool("CHROMEDRIVER"), |command| {
            command.arg(format!("--port={port}"));
        });
        driver.wait_for_line("started successfully on port", SOON).await;
        let address = format!("http://127.0.0.1:{port}");
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let connected =
            tokio::time::timeout(SOON, builder.capabilities(capabilities(profile.path())).connect(&address))
                .await
                .expect("Chromium does not start");
        let client = connected.unwrap_or_else(|error| panic!("Chromium does not start: {error}\n{}", driver.output()));
        let browser = Self { client, _driver: driver, profile };
        browser.prefer_light().await;
        browser
    }

    /// Where its profile is.
    pub fn profile(&self) -> &Path {
        self.profile.path()
    }

    /// Goes to an address, and returns when the page and its scripts are there.
    pub async fn goto(&self, url: &str) {
        self.client.goto(url).await.unwrap_or_else(|error| panic!("{url}: {error}"));
    }

    /// Loads the page again.
    pub async fn reload(&self) {
        self.client.refresh().await.unwrap();
    }

    /// The address of the page.
    pub async fn url(&self) -> String {
        self.client.current_url().await.unwrap().to_string()
    }

    /// The title of the page.
    pub async fn title(&self) -> String {
        self.client.title().await.unwrap()
    }

    /// The page as it is now, as HTML.
    pub async fn html(&self) -> String {
        self.client.source().await.unwrap()
    }

    /// Clicks, once it can be clicked. A page that follows may not be there yet: wait for something on it.
    pub async fn click(&self, css: &str) {
        self.act("click", css, async |element| element.click().await).await;
    }

    /// Puts a text into a field, in place of what was there.
    pub async fn fill(&self, css: &str, text: &str) {
        self.act("fill", css, async |element| {
            element.clear().await?;
            element.send_keys(text).await
        })
        .await;
    }

    /// Chooses an option of a `select` by its value.
    pub async fn choose(&self, css: &str, value: &str) {
        self.act("choose in", css, async |element| element.select_by_value(value).await).await;
    }

    /// Presses keys where the focus is: text, or one of [`Key`](fantoccini::key::Key) as a `char`.
    pub async fn press(&self, keys: &str) {
        // Not to the element that has the focus: a page that changes meanwhile may have taken it away.
        let press = |value| [KeyAction::Down { value }, KeyAction::Up { value }];
        let strokes = keys.chars().flat_map(press).fold(KeyActions::new("keys".into()), KeyActions::then);
        self.client.perform_actions(strokes).await.unwrap();
    }

    /// The text that is seen of an element.
    pub async fn text(&self, css: &str) -> String {
        self.act("read", css, async |element| element.text().await).await
    }

    /// The texts of all elements that there are now.
    pub async fn texts(&self, css: &str) -> Vec<String> {
        // In one call: a page that changes meanwhile would leave elements behind that are gone.
        let script = format!("return [...document.querySelectorAll({})].map(e => e.innerText)", json!(css));
        serde_json::from_value(self.eval(&script).await).unwrap()
    }

    /// How many such elements there are now.
    pub async fn count(&self, css: &str) -> usize {
        self.client.find_all(Locator::Css(css)).await.unwrap().len()
    }

    /// An attribute of an element; nothing if it has none of that name.
    pub async fn attr(&self, css: &str, name: &str) -> Option<String> {
        self.act("look at", css, async |element| element.attr(name).await).await
    }

    /// Waits until there is such an element.
    pub async fn wait_for(&self, css: &str) {
        self.act("see", css, async |_| Ok(())).await;
    }

    /// Waits until there is no such element any more.
    pub async fn wait_gone(&self, css: &str) {
        wait_until(&format!("{css} is gone from the page"), SOON, async || self.count(css).await == 0).await;
    }

    /// Waits until such an element shows this text.
    pub async fn wait_for_text(&self, css: &str, text: &str) {
        let what = format!("{css} shows `{text}`");
        wait_until(&what, SOON, async || self.texts(css).await.iter().any(|shown| shown.contains(text))).await;
    }

    /// Waits until the page's address ends so.
    pub async fn wait_for_url(&self, end: &str) {
        wait_until(&format!("the address ends in {end}"), SOON, async || self.url().await.ends_with(end)).await;
    }

    /// Runs a script in the page, and gives what it returns.
    pub async fn eval(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// What went wrong on its pages since this was last asked: errors that nobody caught, files that are missing, what the
    /// content security policy forbids. A line each.
    pub async fn console_errors(&self) -> Vec<String> {
        let entries = self.command("se/log", json!({ "type": "browser" })).await;
        let severe = entries.as_array().into_iter().flatten().filter(|entry| entry["level"] == "SEVERE");
        severe.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// What hinders people at using the page, a line each: the rule, how grave it is, where, and what to do.
    pub async fn axe(&self) -> Vec<String> {
        self.axe_by(json!({ "type": "tag", "values": RULES })).await
    }

    /// The same, of what may be otherwise in other colours or on another screen. It takes a fraction of the time.
    pub async fn axe_of_looks(&self) -> Vec<String> {
        self.axe_by(json!({ "type": "rule", "values": RULES_OF_LOOKS })).await
    }

    async fn axe_by(&self, rules: Value) -> Vec<String> {
        let axe = tool("AXE");
        let axe = std::fs::read_to_string(&axe).unwrap_or_else(|error| panic!("{axe}: {error}"));
        self.client.execute(&axe, Vec::new()).await.unwrap();
        let look = "const [rules, done] = arguments;
            axe.run(document, { runOnly: rules }).then(found => done(found.violations), error => done(String(error)))";
        let found = self.client.execute_async(look, vec![rules]).await.unwrap();
        let violations = found.as_array().unwrap_or_else(|| panic!("axe: {found}"));
        violations.iter().flat_map(readable).collect()
    }

    /// The cookies that the page is sent.
    pub async fn cookies(&self) -> Vec<Cookie<'static>> {
        self.client.get_all_cookies().await.unwrap()
    }

    /// Forgets all cookies: the next page is somebody else's.
    pub async fn forget(&self) {
        self.client.delete_all_cookies().await.unwrap();
    }

    /// Makes the page this wide and high; smaller than a window can be, too: `resize(390, 844)` is a phone.
    pub async fn resize(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// Says to pages that a dark scheme is preferred.
    pub async fn prefer_dark(&self) {
        self.prefer("dark").await;
    }

    /// Says to pages that a light scheme is preferred.
    pub async fn prefer_light(&self) {
        self.prefer("light").await;
    }

    async fn prefer(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    /// Runs pages without their scripts from the next page on, or with them again.
    pub async fn scripts(&self, run: bool) {
        self.devtools("Emulation.setScriptExecutionDisabled", json!({ "value": !run })).await;
    }

    /// Any command of Chromium's protocol for its developers' tools: `Emulation.setTimezoneOverride`.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.command("goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await
    }

    /// Writes what is seen of the page to a PNG file.
    pub async fn screenshot(&self, path: impl AsRef<Path>) {
        let (path, image) = (path.as_ref(), self.client.screenshot().await.unwrap());
        std::fs::write(path, image).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    async fn command(&self, path: &'static str, parameters: Value) -> Value {
        let answer = self.client.issue_cmd(Command { path, parameters }).await;
        answer.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Does something to an element until it can be done: a page that changes meanwhile may take the element away that was
    /// just found, and put another in its place.
    async fn act<T>(&self, what: &str, css: &str, act: impl AsyncFn(Element) -> Result<T, CmdError>) -> T {
        wait_for(&format!("one can {what} {css} at {}", self.url().await), SOON, async || {
            act(self.client.find(Locator::Css(css)).await.ok()?).await.ok()
        })
        .await
    }
}

fn capabilities(profile: &Path) -> Capabilities {
    let arguments = [
        "--headless=new",
        // It ends with its driver, however that ends.
        "--remote-debugging-pipe",
        // The pages are our own; a root without user namespaces, as in many a container, has no sandbox.
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-quic",
        "--no-first-run",
        "--no-proxy-server",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--lang=en-US",
        "--window-size=1280,900",
    ];
    let mut arguments: Vec<String> = arguments.map(str::to_owned).into();
    arguments.push(format!("--user-data-dir={}", profile.display()));
    let capabilities = json!({
        "browserName": "chrome",
        "goog:chromeOptions": { "binary": tool("CHROMIUM"), "args": arguments },
        "goog:loggingPrefs": { "browser": "ALL" },
    });
    capabilities.as_object().unwrap().clone()
}

/// `color-contrast (serious): Elements must have …, at button.danger: Fix any of the following: …`
fn readable(violation: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    let [rule, impact, help] = ["id", "impact", "help"].map(|name| text(&violation[name]));
    let nodes = violation["nodes"].as_array().into_iter().flatten();
    let line = |node: &Value| {
        let place = node["target"].as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(" ");
        format!("{rule} ({impact}): {help}, at {place}: {}", text(&node["failureSummary"]))
    };
    nodes.map(line).collect()
}

/// What chromedriver can do beyond the standard.
#[derive(Debug)]
struct Command {
    path: &'static str,
    parameters: Value,
}

impl WebDriverCompatibleCommand for Command {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.parameters.to_string()))
    }
}

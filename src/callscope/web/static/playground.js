const config = JSON.parse(document.getElementById("config").textContent);
const endpoint = new URL("graphql", document.baseURI);
const element = (id) => document.getElementById(id);

// ------------------------------------------------------------------------------------------------ the key

const KEY = "callscope.key";

// Storage may be forbidden; then the key lasts as long as the page.
const remembered = {
  get() { try { return localStorage.getItem(KEY); } catch { return null; } },
  set(value) { try { localStorage.setItem(KEY, value); } catch { /* as said */ } },
  remove() { try { localStorage.removeItem(KEY); } catch { /* as said */ } },
};

/** The key of `/#key=…`, which then leaves the address bar and the history. */
function keyOfAddress() {
  const found = /^#key=([^&]+)/.exec(location.hash);
  if (!found) return null;
  history.replaceState(null, "", location.pathname + location.search);
  try { return decodeURIComponent(found[1]).trim(); } catch { return null; }
}

let key = null;
let seeded = Promise.resolve({});
let onKeyChange = () => {};

function useKey(value) {
  key = value || null;
  if (key) remembered.set(key); else remembered.remove();
  element("key-form").reset();
  element("key").hidden = element("key-form").querySelector("button").hidden = Boolean(key);
  element("key-form").querySelector("label").hidden = Boolean(key);
  element("forget").hidden = !key;
  seeded = seed();
  onKeyChange();
}

function say(text, refused = false) {
  element("key-state").textContent = text;
  element("key-state").classList.toggle("refused", refused);
}

/** Like fetch, with the key for this server's API, and for nothing else. */
function authorizedFetch(url, init) {
  const headers = new Headers(init.headers);
  headers.set("accept", "application/graphql-response+json, application/json;q=0.9");
  if (key && !headers.has("authorization")) headers.set("authorization", `Bearer ${key}`);
  if (!headers.has("authorization")) return Response.json({ errors: [{ message: "Enter the key of your project above." }] });
  return fetch(endpoint, { ...init, headers, redirect: "error", cache: "no-store" });
}

async function request(query, variables) {
  const response = await authorizedFetch(endpoint, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query, variables }),
  });
  const text = await response.text();
  try { return { status: response.status, answer: JSON.parse(text) }; } catch { return { status: response.status, answer: text }; }
}

// ------------------------------------------------------------------------------------------------ variables of the examples

/** Ask for the data that the examples' variables are filled from; this also tells whether the key is good. */
async function seed() {
  if (!key) {
    say("Enter the key of your project to run queries.");
    return {};
  }
  const asked = key;
  try {
    const { status, answer } = await request(config.seed);
    if (key !== asked) return {};
    const codes = (answer.errors ?? []).map((error) => error.extensions?.code);
    if (status === 401 || status === 403 || codes.includes("UNAUTHENTICATED") || codes.includes("FORBIDDEN")) {
      say("This key is not accepted.", true);
    } else if (answer.data?.project) {
      say(`Project: ${answer.data.project.name}`);
    } else {
      say(answer.errors?.[0]?.message ?? `The API answers with status ${status}.`, true);
    }
    return answer.data ?? {};
  } catch {
    if (key === asked) say("The API cannot be reached.", true);
    return {};
  }
}

/** Every scalar under the name, in the order of the answer. */
function leaves(value, name, found = []) {
  for (const [field, item] of Object.entries(value ?? {})) {
    if (item && typeof item === "object") leaves(item, name, found);
    else if (field === name && item !== null && !found.includes(item)) found.push(item);
  }
  return found;
}

async function variablesOf(example) {
  const data = await seeded;
  const variables = {};
  for (const [name, isList] of Object.entries(example.variables)) {
    const found = leaves(data, name);
    if (found.length) variables[name] = isList ? found : found[0];
  }
  return Object.keys(variables).length ? JSON.stringify(variables, null, 2) : "";
}

// ------------------------------------------------------------------------------------------------ GraphiQL

function load({ url, integrity }) {
  return new Promise((resolve, reject) => {
    const isStyle = url.endsWith(".css");
    const tag = document.createElement(isStyle ? "link" : "script");
    Object.assign(tag, isStyle ? { rel: "stylesheet", href: url } : { src: url, async: false });
    tag.integrity = integrity;
    tag.crossOrigin = "anonymous";
    tag.onload = resolve;
    tag.onerror = () => reject(new Error(`${url} could not be loaded`));
    document.head.append(tag);
  });
}

/** Resolve when GraphiQL is there; reject when a file is missing, altered, or does not come in time. */
function loadGraphiQL() {
  const late = new Promise((_, reject) => setTimeout(reject, 10_000, new Error("GraphiQL did not load in time")));
  return Promise.race([Promise.all(config.assets.map(load)), late]);
}

function examplesPlugin() {
  const { createElement: h, useEffect, useState } = React;
  const { useEditorContext, useExecutionContext } = GraphiQL.React;

  function Icon() {
    return h("svg", { viewBox: "0 0 24 24", fill: "none", stroke: "currentColor", strokeWidth: 2, "aria-hidden": true },
      h("path", { d: "M4 6h2M4 12h2M4 18h2M10 6h10M10 12h10M10 18h10", strokeLinecap: "round" }));
  }

  function Examples() {
    const { queryEditor, variableEditor, tabs, activeTabIndex, addTab, changeTab } = useEditorContext({ nonNull: true });
    const { run } = useExecutionContext({ nonNull: true });
    const [opened, setOpened] = useState(null);

    // A new tab empties the editors when it appears, so they are filled after that.
    useEffect(() => {
      if (!opened) return;
      queryEditor.setValue(opened.query);
      variableEditor.setValue(opened.variables);
      // GraphiQL would learn the operation's name a moment later, and run the one before.
      queryEditor.operationName = opened.name;
      setOpened(null);
      if (key) run();
    }, [opened]);

    async function open(example) {
      const variables = await variablesOf(example);
      const there = tabs.findIndex((tab) => tab.query?.trim() === example.query.trim());
      if (there >= 0) changeTab(there);
      else if (tabs[activeTabIndex]?.query?.trim()) addTab();
      setOpened({ ...example, variables });
    }

    return h("section", { className: "examples", "aria-label": "Example queries" },
      h("h2", null, "Example queries"),
      h("p", null, "Each opens in a tab of its own, with variables taken from your calls, and runs."),
      h("ul", null, config.examples.map((example) => h("li", { key: example.name },
        h("button", { type: "button", onClick: () => open(example) }, example.title, h("small", null, example.description))))));
  }

  return { title: "Example queries", icon: Icon, content: Examples };
}

/** What GraphiQL offers from inside only: opens the examples' pane, and reads the schema again when the key changes. */
function Start() {
  const { usePluginStore, useSchemaStore } = GraphiQL.React;
  const { plugins } = usePluginStore();
  const { introspect } = useSchemaStore();
  const isReady = plugins.length > 0;

  React.useEffect(() => {
    // The property `visiblePlugin` selects the pane, but leaves it folded.
    if (isReady) document.querySelector('[aria-label="Show Example queries"]')?.click();
  }, [isReady]);
  React.useEffect(() => { onKeyChange = introspect; }, [introspect]);
  return null;
}

function showGraphiQL() {
  const subscriptions = new URL(endpoint);
  subscriptions.protocol = endpoint.protocol === "https:" ? "wss:" : "ws:";
  const fetcher = GraphiQL.createFetcher({
    url: endpoint.href,
    fetch: authorizedFetch,
    enableIncrementalDelivery: false,
    subscriptionUrl: subscriptions.href,
    get wsConnectionParams() { return key ? { authorization: `Bearer ${key}` } : {}; },
  });
  element("graphiql").hidden = false;
  ReactDOM.createRoot(element("graphiql")).render(React.createElement(GraphiQL, {
    fetcher,
    storage: GraphiQL.createLocalStorage({ namespace: "callscope" }),
    plugins: [examplesPlugin(), GraphiQLPluginExplorer.explorerPlugin()],
    defaultTabs: [{ query: config.examples[0].query }],
    defaultEditorToolsVisibility: "variables",
    shouldPersistHeaders: false,
    inputValueDeprecation: true,
    schemaDescription: true,
  }, React.createElement(Start)));
}

// ------------------------------------------------------------------------------------------------ without GraphiQL

function showPlain() {
  const [picker, query, variables, result] = ["example", "query", "variables", "result"].map(element);
  picker.append(...config.examples.map((example) => new Option(example.title, example.name)));

  const chosen = () => config.examples[picker.selectedIndex];

  async function fill() {
    variables.value = await variablesOf(chosen());
  }

  function open() {
    element("description").textContent = chosen().description;
    query.value = chosen().query;
    return fill();
  }

  async function run() {
    result.textContent = "…";
    try {
      const { answer } = await request(query.value, variables.value.trim() ? JSON.parse(variables.value) : undefined);
      result.textContent = typeof answer === "string" ? answer : JSON.stringify(answer, null, 2);
    } catch (error) {
      result.textContent = String(error);
    }
  }

  picker.addEventListener("change", open);
  element("run").addEventListener("click", run);
  element("plain").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run();
  });
  onKeyChange = fill;
  element("plain").hidden = false;
  open();
}

// ------------------------------------------------------------------------------------------------ start

element("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  useKey(element("key").value.trim());
});
element("forget").addEventListener("click", () => useKey(null));
addEventListener("hashchange", () => {
  const given = keyOfAddress();
  if (given) useKey(given);
});
useKey(keyOfAddress() ?? remembered.get());
loadGraphiQL().then(showGraphiQL, (error) => {
  console.warn(error.message);
  showPlain();
});

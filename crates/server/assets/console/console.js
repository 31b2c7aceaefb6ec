// What makes the console nicer; every page works without it.
"use strict";

// Times are sent as UTC and shown as the reader's own; days were chosen as days of UTC and stay the same everywhere.
function tellLocalTimes(root) {
  const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  const second = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeZone: "UTC" });
  for (const time of root.querySelectorAll("time[datetime]:not([data-told])")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    time.dataset.told = "";
    time.title ||= time.textContent;
    time.textContent = ("day" in time.dataset ? day : "exact" in time.dataset ? second : moment).format(at);
  }
}

// Some browsers forget what a table is when its rows stand under each other.
function keepTables(root) {
  const roles = { table: "table", thead: "rowgroup", tbody: "rowgroup", tr: "row", "tbody th": "rowheader", "thead th": "columnheader", td: "cell" };
  for (const table of root.querySelectorAll("table.stack")) {
    table.setAttribute("role", "table");
    for (const [elements, role] of Object.entries(roles)) for (const element of table.querySelectorAll(elements)) element.setAttribute("role", role);
  }
}

// A button that copies the text of the element before it.
function offerCopies(root) {
  for (const button of root.querySelectorAll("button[data-copy]")) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", async () => {
      const source = document.getElementById(button.dataset.copy);
      const was = button.textContent;
      try {
        await navigator.clipboard.writeText(source.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(source);
        button.textContent = "Press Ctrl+C";
      }
      setTimeout(() => { button.textContent = was; }, 2000);
    });
  }
}

// A link's code stands behind the #, where no server and no log sees it.
function takeCodeFromAddress() {
  const field = document.querySelector("input[data-from-address]");
  const code = new URLSearchParams(location.hash.slice(1)).get("token");
  if (field && code) {
    field.value = code;
    history.replaceState(null, "", location.pathname + location.search);
  }
}

// An open list of organizations closes when something else is pressed.
function closeSwitcher() {
  const switcher = document.querySelector("details.switcher");
  if (!switcher) return;
  document.addEventListener("click", (event) => { if (!switcher.contains(event.target)) switcher.open = false; });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && switcher.open) { switcher.open = false; switcher.querySelector("summary").focus(); }
  });
}

tellLocalTimes(document);
offerCopies(document);
takeCodeFromAddress();
closeSwitcher();
keepTables(document);
document.addEventListener("htmx:load", (event) => {
  tellLocalTimes(event.detail.elt);
  keepTables(event.detail.elt);
});

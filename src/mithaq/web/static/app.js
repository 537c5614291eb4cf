// Keys are matched by event.code, so that they work on an Arabic or French keyboard layout too.
const palette = document.getElementById("palette");
const wanted = document.getElementById("wanted");
const commands = document.getElementById("commands");
const links = [...document.querySelectorAll("nav.side a, .choices a[data-command]")];

function draw() {
  const part = wanted.value.trim().toLocaleLowerCase();
  const found = links.filter((link) => link.textContent.toLocaleLowerCase().includes(part)).slice(0, 9);
  commands.replaceChildren(...found.map((link, place) => {
    const item = document.createElement("li");
    item.role = "option";
    item.id = `command-${place}`;
    item.ariaSelected = String(place === 0);
    const copy = document.createElement("a");
    copy.href = link.href;
    copy.textContent = link.textContent.trim();
    copy.tabIndex = -1;
    item.append(copy);
    return item;
  }));
  point();
}

function point() {
  const chosen = commands.querySelector('[aria-selected="true"]');
  if (chosen) wanted.setAttribute("aria-activedescendant", chosen.id);
  else wanted.removeAttribute("aria-activedescendant");
}

function choose(step) {
  const items = [...commands.children];
  if (!items.length) return;
  const now = items.findIndex((item) => item.ariaSelected === "true");
  items[now].ariaSelected = "false";
  items[(now + step + items.length) % items.length].ariaSelected = "true";
  point();
}

function openPalette() {
  wanted.value = "";
  draw();
  palette.showModal();
}

function walk(step) {
  const rows = [...document.querySelectorAll("[data-rows] tr:has(a), [data-rows] > li:has(a)")];
  if (!rows.length) return;
  const now = rows.findIndex((row) => row.classList.contains("here"));
  rows[now]?.classList.remove("here");
  const next = rows[Math.min(Math.max(now + step, 0), rows.length - 1)];
  next.classList.add("here");
  next.querySelector("a").focus();
}

// What a key does is said by the element that it stands for: in the chosen row, or, where there are no rows, on the page.
function press(code) {
  const row = document.querySelector("[data-rows] .here");
  const found = row?.querySelector(`[data-key="${code}"]`) ?? document.querySelector(`[data-key="${code}"]:not([data-rows] *)`);
  found?.click();
  return Boolean(found);
}

const typing = () => /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName ?? "");

addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.code === "KeyK" && palette) {
    event.preventDefault();
    openPalette();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || typing() || palette?.open) return;
  const act = {
    Slash: () => (event.shiftKey ? document.getElementById("keys-link")?.click() : document.getElementById("q")?.focus()),
    KeyJ: () => walk(1),
    KeyK: () => walk(-1),
    ArrowDown: document.querySelector("[data-rows] .here") && (() => walk(1)),
    ArrowUp: document.querySelector("[data-rows] .here") && (() => walk(-1)),
  }[event.code];
  if (act) {
    event.preventDefault();
    act();
  } else if (!event.shiftKey && /^Key[A-Z]$/.test(event.code) && press(event.code)) {
    event.preventDefault();
  }
});

wanted?.addEventListener("input", draw);
wanted?.addEventListener("keydown", (event) => {
  if (event.key === "Enter") {
    event.preventDefault();
    commands.querySelector('[aria-selected="true"] a')?.click();
  }
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    choose(event.key === "ArrowDown" ? 1 : -1);
  }
});

// The omnibox holds many lines, so Enter looks up and Shift+Enter makes a line.
document.getElementById("q")?.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    event.target.form.requestSubmit();
  }
});

// A menu closes by Escape and by a click elsewhere.
addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll(".menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});
addEventListener("keydown", (event) => {
  if (event.code !== "Escape") return;
  for (const menu of document.querySelectorAll(".menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// A live list keeps its newest items only.
addEventListener("htmx:sse:after:message", (event) => {
  const list = event.target.closest?.("[data-keep]");
  while (list && list.children.length > Number(list.dataset.keep)) list.lastElementChild.remove();
});

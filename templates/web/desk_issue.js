// The issue board: dragging, and buttons that act without leaving the place. The texts' page: inbox lines while you type.
"use strict";
const said = document.getElementById("said");

let last = Promise.resolve();

// One after the other: each is made from the order that the one before left.
function act(fields) {
  last = last.then(() => send(document.getElementById("acts"), fields));
}

async function send(form, fields) {
  const data = new URLSearchParams(new FormData(form));
  for (const [name, value] of Object.entries(fields)) data.set(name, value);
  try {
    const answer = await fetch(form.action, { method: "POST", body: data });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("board");
    if (!fresh) throw new Error(answer.status);
    document.getElementById("board").replaceWith(fresh);
    const message = fresh.querySelector(".problem[role=alert], .done");
    said.className = "hidden";
    said.textContent = message ? message.textContent : "";
    const next = fresh.querySelector("[autofocus]");
    if (next) next.focus();
    else if (fields.act) document.getElementById(`a-${fields.act.split(" ")[1]}`)?.querySelector("a").focus();
    if (message && message.matches(".problem")) message.scrollIntoView({ block: "center" });
    arrange();
    summarize();
  } catch {
    said.className = "problem";
    said.textContent = said.dataset.lost;
    said.scrollIntoView({ block: "center" });
  }
}

function arrange() {
  const form = document.getElementById("acts");
  form.addEventListener("submit", (event) => {
    if (!event.submitter) return;
    event.preventDefault();
    act({ act: event.submitter.value });
  });
  for (const list of form.querySelectorAll("ol.rows")) {
    Sortable.create(list, {
      group: "articles", animation: 120, filter: ".acts", preventOnFilter: false, delay: 150, delayOnTouchOnly: true,
      onEnd: ({ item, to, from, newIndex, oldIndex }) => {
        if (to === from && newIndex === oldIndex) return;
        act({ act: `place ${item.dataset.slug}`, section: to.dataset.section, position: newIndex + 1 });
      },
    });
  }
}

// The summary needs a build of all editions, so it comes after the page.
async function summarize() {
  const link = document.getElementById("count");
  if (!link) return;
  const answer = await fetch(link.href).catch(() => null);
  if (!answer || !answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("summary");
  if (fresh) document.getElementById("summary").replaceWith(fresh);
}

function mirror() {
  for (const line of document.querySelectorAll("[data-from]")) {
    const field = document.getElementById(line.dataset.from);
    field.addEventListener("input", () => { line.textContent = field.value || field.placeholder; });
  }
  for (const count of document.querySelectorAll(".count")) {
    const field = document.getElementById(count.dataset.for);
    const show = () => { count.textContent = count.dataset.text.replace("#", [...(field.value || field.placeholder)].length); };
    field.addEventListener("input", show);
    show();
  }
}

if (document.getElementById("acts")) { arrange(); summarize(); }
mirror();

// What a page can do beyond being read: today's totals as they change, and the bars of the trend one by one. Without
// this script everything is there all the same, as of when the page was loaded.
"use strict";

// While events come in, the rest of the page is asked for again at most this often.
const REFRESH_INTERVAL_MS = 5000;

const live = document.querySelector("[data-live]");
if (live) follow(live);
document.addEventListener("pointerover", (event) => point(event.target));
document.addEventListener("pointerout", (event) => event.target.closest?.("[data-chart]") && clear());
document.addEventListener("keydown", step);
quieten(document);

// Today's totals are pushed. A connection that breaks is made again by the browser.
function follow(card) {
  const source = new EventSource(card.dataset.live);
  const state = card.querySelector("[data-live-state]");
  const say = (text, isOn) => {
    if (state.textContent !== text) state.textContent = text;
    state.classList.toggle("on", isOn);
  };
  source.onopen = () => say("live", true);
  source.onerror = () => say(source.readyState === EventSource.CLOSED ? "not live" : "reconnecting", false);
  source.addEventListener("totals", (message) => {
    const totals = JSON.parse(message.data);
    const hasViews = put(card.querySelector("[data-live-views]"), totals.total_views);
    const hasUsers = put(card.querySelector("[data-live-users]"), totals.unique_users);
    if (hasViews || hasUsers) changed(card);
  });
  addEventListener("pagehide", () => source.close());
}

// Whether the number is another one.
function put(place, number) {
  const text = number.toLocaleString("en-US");
  if (place.textContent === text) return false;
  place.textContent = text;
  return true;
}

function changed(card) {
  card.classList.remove("changed");
  void card.offsetWidth; // Otherwise both changes of the class would be one, and nothing would move.
  card.classList.add("changed");
  if (document.querySelector("[data-current]")) refreshSoon();
}

let refreshed = performance.now();
let waiting = false;

function refreshSoon() {
  if (waiting) return;
  waiting = true;
  setTimeout(refresh, Math.max(0, refreshed + REFRESH_INTERVAL_MS - performance.now()));
}

async function refresh() {
  if (document.hidden) {
    document.addEventListener("visibilitychange", refresh, { once: true });
    return;
  }
  try {
    const answer = await fetch(location.href);
    if (answer.ok) replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    // The next event brings another attempt.
  } finally {
    refreshed = performance.now();
    waiting = false;
  }
}

// Part by part, but for those that somebody is using.
function replace(page) {
  for (const old of document.querySelectorAll("[data-fresh]")) {
    const fresh = page.querySelector(`[data-fresh="${old.dataset.fresh}"]`);
    if (!fresh || old.contains(document.activeElement) || old.matches(":hover")) continue;
    const details = old.querySelector("details");
    if (details?.open) fresh.querySelector("details").open = true;
    quieten(fresh);
    old.replaceWith(document.adoptNode(fresh));
  }
}

// Bars have titles, which browsers show after a while. Here they are shown at once, in a balloon of our own.
function quieten(root) {
  for (const bucket of root.querySelectorAll(".bucket")) {
    const title = bucket.querySelector("title");
    bucket.dataset.says = title.textContent;
    title.remove();
  }
}

function point(target) {
  const bucket = target.closest?.(".bucket");
  if (bucket) show(bucket);
}

// Arrow keys read the bars of the chart that has the focus.
function step(event) {
  const chart = event.target.closest?.("[data-chart]");
  const direction = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!chart || !direction) return;
  event.preventDefault();
  const buckets = [...chart.querySelectorAll(".bucket")];
  const read = buckets.findIndex((bucket) => bucket.classList.contains("read"));
  const start = direction > 0 ? -1 : buckets.length;
  const next = Math.min(Math.max((read < 0 ? start : read) + direction, 0), buckets.length - 1);
  show(buckets[next]);
  chart.parentElement.querySelector("[data-readout]").textContent = buckets[next].dataset.says;
}

function show(bucket) {
  clear();
  bucket.classList.add("read");
  const chart = bucket.closest("[data-chart]");
  const balloon = document.createElement("div");
  balloon.className = "balloon";
  balloon.setAttribute("aria-hidden", "true");
  balloon.textContent = bucket.dataset.says;
  chart.append(balloon);
  const [bar, frame] = [bucket.getBoundingClientRect(), chart.getBoundingClientRect()];
  const middle = bar.left + bar.width / 2 - frame.left - balloon.offsetWidth / 2;
  balloon.style.left = `${Math.min(Math.max(middle, 0), frame.width - balloon.offsetWidth)}px`;
}

function clear() {
  document.querySelector(".bucket.read")?.classList.remove("read");
  document.querySelector(".balloon")?.remove();
  const readout = document.querySelector("[data-readout]");
  if (readout) readout.textContent = "";
}

// Renews the page in place: what has not changed stays as it is, so that focus, scroll position, selection and
// search survive. Without this script the page is loaded again as a whole. Figures that become too old while
// nothing new comes are hidden: old is never shown as current.
"use strict";

(() => {
  const main = document.getElementById("main");
  const lost = document.getElementById("lost");
  const pause = document.getElementById("pause");
  const form = document.getElementById("filter");
  const every = 1000 * Number(main.dataset.renew);
  const patience = 10000;

  let made = performance.now(); // when the page that is shown was asked for
  let paused = false;
  let asking = null;
  let next = 0;

  document.documentElement.classList.add("script");

  // Durations, worded as exporter/board/texts.py does.
  const age = (seconds) => {
    const whole = Math.max(Math.trunc(seconds), 0);
    if (whole < 100) return `${whole} s`;
    if (whole < 6000) return `${Math.trunc(whole / 60)} min`;
    return whole < 172800 ? `${Math.trunc(whole / 3600)} h` : `${Math.trunc(whole / 86400)} d`;
  };

  // Makes `old` the same as `fresh`, touching nothing that is. Rows are known by their keys.
  const key = (node) => (node.dataset && node.dataset.key) || "";
  const same = (old, fresh) => old.nodeName === fresh.nodeName && key(old) === key(fresh);

  const attributes = (old, fresh) => {
    for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
  };

  const become = (old, fresh) => {
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.data !== fresh.data) old.data = fresh.data;
      return;
    }
    attributes(old, fresh);
    const known = new Map([...old.children].filter(key).map((child) => [key(child), child]));
    let at = old.firstChild;
    for (const child of [...fresh.childNodes]) {
      const kept = known.get(key(child));
      if (kept) {
        if (kept === at) at = at.nextSibling;
        else old.insertBefore(kept, at);
        become(kept, child);
      } else if (at && same(at, child)) {
        const following = at.nextSibling;
        become(at, child);
        at = following;
      } else {
        old.insertBefore(document.adoptNode(child), at);
      }
    }
    while (at) {
      const following = at.nextSibling;
      at.remove();
      at = following;
    }
  };

  const show = (page, asked) => {
    const focused = document.activeElement;
    made = asked;
    main.classList.remove("lost");
    become(main, page.getElementById("main"));
    become(document.getElementById("made"), page.getElementById("made"));
    document.title = page.title;
    if (focused !== document.activeElement && document.contains(focused)) focused.focus({ preventScroll: true });
    tick();
  };

  const complain = (words) => {
    // Without an age that grows: a screen reader would read it out each second.
    const text = `No new figures since ${document.getElementById("made").textContent} UTC: ${words}`;
    if (lost.textContent !== text) lost.textContent = text;
    lost.hidden = false;
  };

  const renew = async () => {
    if (asking) asking.abort();
    const mine = new AbortController();
    asking = mine;
    const asked = performance.now();
    next = asked + every;
    const timer = setTimeout(() => mine.abort("the exporter does not answer"), patience);
    try {
      const answer = await fetch(location.href, { cache: "no-store", redirect: "error", signal: mine.signal });
      const text = await answer.text();
      if (asking !== mine) return;
      if (!answer.ok) throw new Error(`the exporter says ${text.slice(0, 120)}`);
      show(new DOMParser().parseFromString(text, "text/html"), asked);
      lost.hidden = true;
    } catch (error) {
      if (asking !== mine) return; // another one is on its way in its place
      const words = error instanceof TypeError ? "the exporter cannot be reached" : error.message || String(error);
      complain(words);
    } finally {
      clearTimeout(timer);
      if (asking === mine) {
        asking = null;
        next = performance.now() + every;
      }
    }
  };

  // Ages grow, and what ends hides, whether or not anything new comes.
  function tick() {
    const since = (performance.now() - made) / 1000;
    for (const element of main.querySelectorAll("[data-age]")) {
      const text = age(Number(element.dataset.age) + since);
      if (element.textContent !== text) element.textContent = text;
    }
    let ended = false;
    for (const element of main.querySelectorAll("[data-ends]")) {
      const past = Number(element.dataset.ends) <= since;
      if (past && !element.classList.contains("past")) ended = true;
      element.classList.toggle("past", past);
    }
    return ended;
  }

  setInterval(() => {
    const ended = tick();
    if (document.hidden || asking) return;
    if (paused) {
      complain("the renewal is paused");
      return;
    }
    if (ended || performance.now() >= next) renew();
  }, 250);

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && !paused) renew();
  });

  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Go on" : "Pause";
    if (!paused) {
      renew();
    } else if (asking) {
      const given = asking;
      asking = null; // what comes of it is of no interest
      given.abort();
    }
  });

  if (!form) return;

  let typing = 0;
  const ask = () => {
    const wanted = new URLSearchParams([...new FormData(form)].filter(([, value]) => value.trim()));
    const query = wanted.toString();
    history.replaceState(null, "", query ? `/?${query}` : "/");
    renew();
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });
  form.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(ask, 150);
  });
  document.addEventListener("click", (event) => {
    // Links to the same page with other filters need no load, which would lose the place.
    const link = event.target.closest("a");
    if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const url = new URL(link.href, location.href);
    if (url.origin !== location.origin || url.pathname !== "/" || url.hash) return;
    event.preventDefault();
    for (const field of form.elements) if (field.name) field.value = url.searchParams.get(field.name) || "";
    ask();
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const writing = event.target.closest("input, select, textarea");
    if (event.key === "/" && !writing) {
      event.preventDefault();
      form.elements.q.focus();
      form.elements.q.select();
    } else if (event.key === "Escape" && writing && form.elements.q.value) {
      form.elements.q.value = "";
      ask();
    }
  });
})();

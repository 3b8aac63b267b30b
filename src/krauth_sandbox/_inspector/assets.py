"""The style sheet of the inspector's page, and the script that keeps the page current; used by `page`."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root{color-scheme:light dark;--line:#8884;--soft:#8881;--good:#1a7f37;--bad:#c62828;--meh:#9a6700}
@media(prefers-color-scheme:dark){:root{--good:#57ab5a;--bad:#f47067;--meh:#daaa3f}}
*{box-sizing:border-box;word-break:keep-all;overflow-wrap:anywhere}
body{font:15px/1.55 system-ui,sans-serif;max-width:76rem;margin:0 auto;padding:1.2rem}
header{display:flex;flex-wrap:wrap;gap:.4rem 1.2rem;align-items:baseline}
h1{font-size:1.35rem;margin:0}h2{font-size:1.08rem;margin:1.8rem 0 .5rem}h3{font-size:.95rem;margin:1rem 0 .3rem}
p{margin:.3rem 0}nav{margin-left:auto;display:flex;gap:1rem}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.28rem .6rem .28rem 0;border-bottom:1px solid var(--line);vertical-align:top}
th{font-weight:600;font-size:.85rem;opacity:.75;white-space:nowrap}
code,time,.mono{font-family:ui-monospace,monospace;font-size:.9em}
time,.nowrap{white-space:nowrap;font-variant-numeric:tabular-nums}
button,input{font:inherit;font-size:.88rem;padding:.18rem .6rem;border:1px solid var(--line);border-radius:.35rem}
button{background:var(--soft);color:inherit;cursor:pointer}button:hover{border-color:currentColor}
button[aria-pressed=true]{font-weight:700;border-color:currentColor;background:#8883}
input{width:8.5rem}form{display:inline}.row{display:flex;flex-wrap:wrap;gap:.35rem;align-items:center;margin:.35rem 0}
.s2{color:var(--good)}.s4{color:var(--meh)}.s5,.s0,.bad{color:var(--bad)}
#notice:empty{display:none}#notice{border-left:.25rem solid currentColor;padding:.2rem .7rem}
details>summary{cursor:pointer;font-size:1.08rem;font-weight:700;margin:1.8rem 0 .5rem}
pre{overflow-x:auto;background:var(--soft);padding:.6rem;border-radius:.35rem;white-space:pre-wrap}
"""

# Swaps the parts that changed; the page comes whole, and from the same code as without JavaScript.
SCRIPT: Final = """
'use strict';
const unit = document.documentElement.lang === 'ko' ? '일 ' : ' d ';
const bare = element => element.innerHTML.replace(/<time.*?<\\/time>/g, '');
const two = number => String(number).padStart(2, '0');
function left(seconds) {
  const whole = Math.max(0, Math.ceil(seconds)), days = Math.floor(whole / 86400), rest = whole % 86400;
  const clock = [Math.floor(rest / 3600), Math.floor(rest % 3600 / 60), rest % 60].map(two).join(':');
  return (days ? days + unit : '') + clock;
}
function aim(time) { time.ends = performance.now() + 1000 * time.dataset.left; }
function tick() {
  for (const time of document.querySelectorAll('time[data-left]'))
    time.textContent = left((time.ends - performance.now()) / 1000);
}
function parse(text) {
  // Without the style: its nonce is not this page's.
  return new DOMParser().parseFromString(text.replace(/<style.*?<\\/style>/s, ''), 'text/html');
}
function swap(fresh) {
  for (const old of document.querySelectorAll('[data-live]')) {
    const now = fresh.getElementById(old.id);
    if (!now) continue;
    if (bare(old) === bare(now)) {
      const times = now.querySelectorAll('time');
      old.querySelectorAll('time').forEach((time, i) => {
        time.textContent = times[i].textContent;
        if (time.dataset.left) { time.dataset.left = times[i].dataset.left; aim(time); }
      });
    } else if (!old.contains(document.activeElement) || document.activeElement.tagName !== 'INPUT') {
      const focused = old.contains(document.activeElement) && document.activeElement.value;
      old.replaceChildren(...now.childNodes);
      old.querySelectorAll('time[data-left]').forEach(aim);
      if (focused) [...old.querySelectorAll('button')].find(button => button.value === focused)?.focus();
    }
  }
  tick();
}
const offline = document.getElementById('offline');
async function load(input, init) {
  try {
    const answer = await fetch(input, init);
    offline.hidden = true;
    return await answer.text();
  } catch { offline.hidden = false; return null; }
}
document.addEventListener('submit', async event => {
  event.preventDefault();
  const body = new URLSearchParams(new FormData(event.target, event.submitter));
  const text = await load('/', {method: 'POST', body});
  if (text === null) return;
  const fresh = parse(text), notice = document.getElementById('notice'), said = fresh.getElementById('notice');
  notice.className = said.className;
  notice.textContent = said.textContent;
  swap(fresh);
});
async function follow() {
  if (!document.hidden) {
    const text = await load(location.href);
    if (text !== null) swap(parse(text));
  }
  setTimeout(follow, 1000);
}
document.querySelectorAll('time[data-left]').forEach(aim);
for (const element of document.querySelectorAll('.noscript')) element.hidden = true;
setInterval(tick, 250);
follow();
"""

/*
 * How long a page is seen, and how long it is used, told to the server beside this script.
 *
 * The client keeps running totals of one page view and sends them whole: each beat stands alone, so
 * the next one heals a lost one. It keeps nothing in the browser, sets no cookie, lets no error out.
 *
 * For the page's own code:
 *   pagetimer.log(path)               logs a path by hand
 *   pagetimer.headers = {...}         headers that go with every later beat and log
 *   localStorage.pagetimer = 'off'    opts this browser out
 *
 * ECMAScript 5, and what is newer is felt for first or fails last: a browser of ten years ago still
 * sends something. At most 1,300 bytes after `gzip -9`, so names, events and statements stand in the
 * order that compresses best. In the checkout's root this makes the minified form, and a test holds
 * that it did:
 *
 *   npx --yes terser@5.51.2 pagetimer_wsgi/page/client/pagetimer.js --ecma 5 --module --compress passes=3 --mangle --output pagetimer_wsgi/page/client/pagetimer.min.js
 */
(function (document) {
  'use strict';

  var TICK = 500;           // ms between two looks at the page
  var GAP = 10500;          // a tick this late means sleep or a stopped process, not a busy page
  var GAP_COUNTS = 500;     // ms that count of such a gap
  var RISK = 1e4;           // ms of visible time that may be lost with the browser,
  var RISK_ARMED = 3e4;     // and where only all of the browser can be lost, not the page alone;
  var RISK_PART = 4;        // or this part of it all, where that is more
  var FRESH = 6e4;          // ms; a younger page view takes the token of a tag that runs again
  var SETTLED = 9;          // by this message, in the fifth second, a new route shows its own text
  var OLDEST = 11e11;       // ms; clocks of before 2004 would make too short an id

  // The loss of focus is found by the ticks. No `unload`: it would end the browser's cache.
  var EVENTS = 'timeupdate pagehide pageshow keydown freeze pointermove pointerdown focus wheel ' +
    'scroll securitypolicyviolation visibilitychange';

  // What the page is to its reader. What is neither is 0 or false.
  var SEEN = 1, FOCUSED = 2;

  // Of the page view, where there is one: id, seq, path, origin, visible, engaged, told, words.
  // As of the last tick: state, last, used, here. Since when the page was seen before the first: since.
  var referrer = document.referrer, gone, state, since, last, stopped, visible, engaged, offset,
    options, used, origin, id, script, told, seq, here, pagetimer, armed, words, sent = 0, token, path;

  function send(to, body, controller) {
    var request = {
      body: body,
      method: 'POST',
      keepalive: 1,
      headers: pagetimer.headers,
      signal: controller.signal
    };
    // Reading throws in a sandbox, where nobody can have opted out.
    try { stopped |= localStorage.pagetimer === 'off'; } catch (error) { /* see above */ }
    if (!stopped) {
      sent = script.src.replace(/[^/]*$/, to);
      if (controller) {
        fetchLater(sent, request);   // throws where a policy or a quota forbids it
        armed = controller;
      } else if (pagetimer.headers || !navigator.sendBeacon || !navigator.sendBeacon(sent, body)) {
        if (window.fetch) {
          fetch(sent, request).catch(heed);   // a rejection that nobody takes would be the page's
        } else {
          request = new XMLHttpRequest();
          request.open('POST', sent, !gone);   // of a page that is left, only what it waits for gets out
          request.send(body);
        }
      }
    }
  }

  // All that happens comes here, and so does every half second: what the page was since the last
  // tick is credited before anything else is made of what it is now.
  function heed(event) {
    try {
      var now = Math.round(performance.now()), type = event.type, why, target = event.target || 0,
        before = state,
        // Signs of use: keydown, pointerdown, pointermove, wheel, scroll; and sound that plays.
        use = /wn|mo|l$/.test(type) || target.muted < target.volume;

      if (use && now - used < TICK) {   // a moving pointer says so at every frame
        used = now;
      } else {
        // A policy forbids our beats: each one that we try is a report to the site.
        stopped |= event.blockedURI === sent;
        // The address as the server keeps it: a route change is a change of this, and of nothing else.
        here = location.href.replace(RegExp(options.cut, 'g'), '$1$2');
        // To add what is there changes nothing; `document.open` removed it all but the timer.
        EVENTS.split(' ').map(function (name) { addEventListener(name, heed, 1); });
        if (now - last > GAP) { last = now - GAP_COUNTS; }

        // Some browsers hide a page only after it was left: in between it looks as before.
        if (/^page/.test(type)) { gone = type === 'pagehide'; }
        state = type !== 'freeze' && !gone && !document.hidden &&
          innerWidth * innerHeight &&   // a frame that is not laid out says that it is visible
          SEEN + document.hasFocus();
        if (!id && state) {
          used = last = origin = since | 0 || now;
          offset = Math.max(Date.now(), OLDEST) - now;
          id = '0' + (offset + origin).toString(16);
          while (!id[31]) { id += Math.random() * 10 | 0; }
          seq = visible = engaged = 0;
          before = state;
          words = '';
          why = 'start';
          path = here;
        }
        since = 0;

        if (before > SEEN) { engaged += Math.max(0, Math.min(now, +options.idle + used) - last); }
        visible += before && now - last;
        last = now;
        // Out of focus nothing is credited, and to be back is a sign of use. A frame takes the keys.
        if (use || before < FOCUSED || / .+Frame/.test(document.activeElement)) { used = now; }

        if (id) {
          why = why || (here !== path ? 'route'
            : gone ? 'leave'
            : before && !state ? 'hide'
            : visible - told >= Math.max(armed ? RISK_ARMED : RISK, visible / RISK_PART) && 'beat');
          // Armed by the timer alone: at each event it would cost the page a request that is undone.
          if (why || state && window.fetchLater && !type) {
            if (why) { told = visible; }
            // Not at a start nor at a route's end: whose text is there then, nobody knows. Nor while
            // the page is `loading`, the last of the states in the alphabet.
            if (document.readyState < 'l' && (why < 'r' || seq === SETTLED)) {
              words = (document.querySelector('main') || document.querySelector('article') ||
                document.body).innerText.split(/\S+/).length - 1;
            }
            armed = armed && armed.abort();
            // Not yet at a route's start: whose page it is, the tag that comes with it may know better.
            if (seq && now - origin < FRESH) { token = pagetimer.token; }
            send('beat', [
              id, seq++, visible, engaged, offset + now, why || 'later', path, referrer, words, token
            ].map(function (value, index) {
              return 'vntedwprlk'[index] + '=' + encodeURIComponent(value);
            }).join('&'), !why && new AbortController());
          }
          if (gone || why === 'route') {
            referrer = gone ? '' : path;   // back from the browser's cache it comes from nowhere
            id = token = '';
            heed(0);
          }
        }
      }
    } catch (error) { /* no business of the page's */ }
  }

  try {
    pagetimer = window.pagetimer = window.pagetimer || {};
    script = document.currentScript;
    options = script.dataset;
    token = pagetimer.token = options.pagetimer;
    if (!pagetimer.timer) {   // one client a window: this tag only brought the other its token
      pagetimer.timer = setInterval(heed, TICK, 0);
      stopped = navigator[options.off];
      pagetimer.log = function (path) {
        try {
          send('log/', 'date=' + new Date().toJSON() + '&path=' + encodeURIComponent(path || here), 0);
        } catch (error) { /* no business of the page's */ }
      };
      // The time before this script ran. Waiting for the server was the page before's; and a script
      // that came after the page was `complete`, the first of the states, is of a later route.
      if (document.readyState > 'd') {
        performance.getEntries().map(function (entry) {
          if (/^[nv]/.test(entry.entryType)) {   // navigation, visibility-state
            since = entry.responseStart || entry.startTime || since;
          }
        });
      }
      heed(0);
      // Last: it throws where there is none, and the ticks find a route change soon enough.
      navigation.addEventListener('currententrychange', heed);
    }
  } catch (error) {
    heed(error);   // what was missing kept the first tick from coming
  }
})(document);

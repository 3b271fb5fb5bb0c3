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
 * ECMAScript 5, and what is newer than `fetch` is felt for first: a browser of ten years ago still
 * sends something. At most 1,300 bytes after `gzip -9`. In the checkout's root this makes the minified
 * form, and a test holds that it did:
 *
 *   npx --yes terser@5.51.2 pagetimer_wsgi/page/client/pagetimer.js --ecma 5 --compress passes=3 --mangle --output pagetimer_wsgi/page/client/pagetimer.min.js
 */
(function (document) {
  'use strict';

  var TICK = 500;           // ms between two looks at the page
  var GAP = 10500;          // a tick this late means sleep or a stopped process, not a busy page
  var GAP_COUNTS = 500;     // ms that count of such a gap
  var HEARTBEAT = 15000;    // ms of visible time between two beats
  var FRESH = 60000;        // ms; a younger page view takes the token of a tag that runs again

  // No `freeze`: a page is hidden before it is frozen. No `unload`: it would end the browser's cache.
  var EVENTS = 'visibilitychange focus blur pagehide securitypolicyviolation ' +
    'keydown pointerdown pointermove scroll wheel';

  // What the page is to its reader; each includes those before it.
  var UNSEEN = 0, SEEN = 1, FOCUSED = 2, LASTING = 3;

  var script, options, pagetimer, running;
  var heed = guard(tick);
  var state = UNSEEN, last, used;   // as of the last tick; when that was; the last sign of use
  var early = 0;                    // since when the page was seen before the first tick
  var stopped;
  // The page view; without an id there is none.
  var id, seq, born, origin, visible, engaged, told, path, words, token, referrer = document.referrer;

  function guard(job) {
    return function (argument) {
      try { job(argument); } catch (error) { /* no business of the page's */ }
    };
  }

  function off() {
    // Reading throws in a sandbox, where nobody can have opted out.
    try { if (localStorage.pagetimer === 'off') { return true; } } catch (error) { /* see above */ }
    return !options.automation && navigator.webdriver;
  }

  function address(to) {
    return new URL(to, script.src);
  }

  // The page's address as it is sent: a route change is a change of this, and of nothing else.
  function route() {
    return location.pathname + (options.query ? location.search : '') +
      (options.fragments ? location.hash : '');
  }

  function look() {
    // A frame that is not laid out says that it is visible.
    return document.hidden || !(innerWidth * innerHeight) ? UNSEEN
      : !document.hasFocus() ? SEEN
      // The keys go to a frame, or something plays with sound.
      : (document.activeElement || {}).contentWindow ||
        [].some.call(document.querySelectorAll('audio,video'), function (media) {
          return !media.paused && !media.muted && media.volume;
        }) ? LASTING
      : FOCUSED;
  }

  function send(to, body) {
    if (stopped || off()) { return; }
    if (!pagetimer.headers && navigator.sendBeacon && navigator.sendBeacon(to, body)) { return; }
    fetch(to, { method: 'POST', headers: pagetimer.headers, body: body, keepalive: true })
      // A rejection that nobody takes would be the page's.
      .catch(function () {});
  }

  // All that happens comes here, and so does every half second: what the page was since the last
  // tick is credited before anything else is made of what it is now.
  function tick(event) {
    var now = performance.now(), before = state, type = event.type, why, passed;
    var use = /down|move|wheel|scroll/.test(type), leaving = type === 'pagehide';

    if (use && now - used < TICK) {   // a moving pointer says so at every frame
      used = now;
      return;
    }
    // A policy forbids our beats: each one that we try is a report to the site.
    stopped = stopped || event.blockedURI == address('beat');
    // To add what is there changes nothing; `document.open` removed it all but the timer.
    EVENTS.split(' ').forEach(function (name) { addEventListener(name, heed, true); });

    state = look();
    if (!id && state && !leaving) {
      last = origin = used = early || now;
      before = state;
      born = Date.now() - (now - origin | 0);
      // 12 digits, whatever year the clock says.
      id = (born + 0x1000000000000).toString(16).slice(1);
      while (id.length < 32) { id += (Math.random() * 16 | 0).toString(16); }
      seq = visible = engaged = 0;
      words = '';
      path = route();
      why = 'start';
    }
    early = 0;

    passed = now - last;
    if (passed > GAP) { passed = GAP_COUNTS; }
    if (before) { visible += passed; }
    if (before > SEEN) {
      engaged += Math.max(0, Math.min(passed, (before > FOCUSED ? now : used + options.idle * 1000) - last));
    }
    last = now;
    if (use || state > SEEN && before < FOCUSED) { used = now; }

    why = why || (route() !== path ? 'route'
      : leaving ? 'leave'
      : before && !state ? 'hide'
      : visible - told >= HEARTBEAT && 'beat');
    if (!id || !why) { return; }

    // Not at a start nor at a route's end: whose text is there then, nobody knows. Nor while the
    // page is `loading`, the last of the states in the alphabet.
    if (why < 'r' && document.readyState < 'l') {
      words = '&l=' + ((document.querySelector('main,article') || document.body).innerText
        .split(/\S+/).length - 1);
    }
    if (now - origin < FRESH) { token = pagetimer.token; }
    told = visible;
    send(address('beat'), 'v=' + id + '&n=' + seq++ + '&t=' + (visible | 0) + '&e=' + (engaged | 0) +
      '&d=' + (born + (now - origin | 0)) + '&w=' + why + '&p=' + encodeURIComponent(path) +
      (referrer && '&r=' + encodeURIComponent(referrer)) + words + (token && '&k=' + encodeURIComponent(token)));

    if (leaving) { id = referrer = ''; }   // back from the browser's cache it comes from nowhere
    if (why === 'route') {
      referrer = path;
      id = '';
      heed(event);
    }
  }

  guard(function () {
    script = document.currentScript;
    options = script.dataset;
    pagetimer = window.pagetimer = window.pagetimer || {};
    running = pagetimer.token != null;
    pagetimer.token = options.pagetimer;
    if (running) { return; }   // one client a window: this tag only brought the other its token
    pagetimer.log = guard(function (path) {
      send(address('log/'), new URLSearchParams({ date: new Date().toJSON(), path: path || route() }));
    });
    setInterval(heed, TICK, {});
    // The time before this script ran. Waiting for the server was the page before's.
    ['navigation', 'visibility-state'].forEach(function (type) {
      performance.getEntriesByType(type).forEach(function (entry) {
        early = Math.max(early, entry.responseStart || entry.startTime);
      });
    });
    heed({});
    // Last: it throws where there is none, and the ticks find a route change soon enough.
    navigation.addEventListener('currententrychange', heed);
  })();
})(document);

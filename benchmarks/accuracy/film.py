"""A short film, made by the browser itself: no file of it lies in the checkout."""

from __future__ import annotations

import base64
import json

from .devtools import DevTools

KIND = "video/webm"
_RECORD = """(async function (withSound) {
  const canvas = document.createElement('canvas');
  const brush = canvas.getContext('2d');
  const paint = setInterval(function () {
    brush.fillStyle = 'hsl(' + performance.now() / 5 % 360 + ' 80% 50%)';
    brush.fillRect(0, 0, canvas.width, canvas.height);
  }, 40);
  const stream = canvas.captureStream(25);
  if (withSound) {
    const studio = new AudioContext(), tone = studio.createOscillator();
    const microphone = studio.createMediaStreamDestination();
    tone.connect(microphone);
    tone.start();
    stream.addTrack(microphone.stream.getAudioTracks()[0]);
  }
  const recorder = new MediaRecorder(stream, {mimeType: 'video/webm'});
  const film = await new Promise(function (done) {
    recorder.ondataavailable = function (event) { done(event.data); };
    recorder.start();
    setTimeout(function () { recorder.stop(); }, 1500);
  });
  clearInterval(paint);
  const address = await new Promise(function (done) {
    const reader = new FileReader();
    reader.onload = function () { done(reader.result); };
    reader.readAsDataURL(film);
  });
  return address.split(',').pop();
})"""


def record(browser: DevTools, *, sound: bool) -> bytes:
    """Return one and a half seconds of changing colour, as WebM.

    :param sound: whether it has a track of sound, a steady tone
    """
    page = browser.open("about:blank")
    try:
        return base64.b64decode(browser.evaluate(page, f"{_RECORD}({json.dumps(sound)})"))
    finally:
        browser.close(page)

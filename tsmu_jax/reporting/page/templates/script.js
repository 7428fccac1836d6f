"use strict";

// The pictures of a test image: how much of the one before the event is seen, and what lies over it.
function show(figure) {
  const slider = figure.querySelector("input[type=range]");
  if (slider) {
    figure.querySelector(".stack").style.setProperty("--split", slider.value + "%");
    slider.setAttribute("aria-valuetext", slider.value + " % before the event");
  }
  figure.querySelector("img.truth").hidden = !figure.querySelector("input.truth").checked;
  const shown = figure.querySelector("input.prediction").checked;
  const chosen = Number(figure.querySelector("select").value);
  figure.querySelectorAll("img.prediction").forEach((image, index) => { image.hidden = !shown || index !== chosen; });
}

document.querySelectorAll("figure.case").forEach((figure) => {
  figure.addEventListener("input", () => show(figure));
  show(figure);  // a reloaded page keeps its controls
});

// On paper nothing can be unfolded.
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => { one.open = true; }));

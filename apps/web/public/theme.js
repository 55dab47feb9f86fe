// Before the first paint: a chosen theme wins over the system's. Written by src/frame/theme.ts.
try {
  var theme = localStorage.getItem("signalbox.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be forbidden; the system's theme then holds.
}

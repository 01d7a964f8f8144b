// Returns what is wrong with a page: text below WCAG AA contrast (of what can be used: the rule
// leaves out what is switched off), and a page wider than its window.
() => {
  const pixel = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  // A page has few colours and many elements.
  const known = new Map();
  const rgba = (color) => {
    if (known.has(color)) return known.get(color);
    pixel.clearRect(0, 0, 1, 1);
    pixel.fillStyle = color;
    pixel.fillRect(0, 0, 1, 1);
    known.set(color, [...pixel.getImageData(0, 0, 1, 1).data]);
    return known.get(color);
  };
  const luminance = (color) => {
    const [r, g, b] = color.map((value) => {
      const part = value / 255;
      return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const over = (top, share, below) => below.map((value, i) => value * (1 - share) + top[i] * share);
  const problems = [];
  for (const element of document.querySelectorAll("body *")) {
    const says = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!says || !element.checkVisibility() || element.closest(":disabled")) continue;
    const layers = [];
    for (let parent = element; parent; parent = parent.parentElement) {
      const color = rgba(getComputedStyle(parent).backgroundColor);
      if (color[3]) layers.unshift(color);
      if (color[3] === 255) break;
    }
    let behind = [255, 255, 255];
    for (const layer of layers) behind = over(layer, layer[3] / 255, behind);
    const style = getComputedStyle(element);
    const ink = rgba(style.color);
    const seen = over(ink, (ink[3] / 255) * Number(style.opacity), behind);
    const [a, b] = [luminance(seen), luminance(behind)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.6 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) problems.push(`${ratio.toFixed(2)}: ${element.textContent.trim().slice(0, 40)}`);
  }
  const width = document.documentElement.scrollWidth;
  if (width > window.innerWidth) {
    const out = [...document.querySelectorAll("body *")].filter((one) => one.getBoundingClientRect().right > window.innerWidth + 1);
    problems.push(`the page is ${width} px wide: ${out.slice(0, 3).map((one) => `${one.localName}.${one.className}`)}`);
  }
  return problems;
}

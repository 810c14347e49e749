// Making elements without markup in strings.

/** make("p.quiet", "text", child, null): a tag with classes, and what is in it. */
export function make(name, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag);
  element.classList.add(...classes);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** Text in which `words` between backticks are code. */
export function prose(text) {
  return text.split("`").map((piece, i) => (i % 2 ? make("code", piece) : piece));
}

/** Sets attributes and returns the element. */
export function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

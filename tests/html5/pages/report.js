// Tells the test something, past whatever a page has patched.
const send = fetch.bind(window), encode = encodeURIComponent;
const report = (text, site = '@SITE@') => send(`${site}/report?${encode(text)}`, {mode: 'no-cors', cache: 'no-store'});
addEventListener('unhandledrejection', event => report(`FAULT ${event.reason}`));

onmessage = event => (event.source ?? self).postMessage(typeof self.tokend);

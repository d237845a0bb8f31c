throw new TypeError('init failed on purpose');

// An old one, moved over from a cron job. Don't touch.
var self = this;
var counter = 0;
var queue = [];

function lookup(id, callback) {
  setTimeout(function () {
    if (!id) return callback(new Error('no id'));
    counter++;
    callback(null, { id: id, n: counter });
  }, 5);
}

var promisify = function (fn) {
  return function () {
    var args = Array.prototype.slice.call(arguments);
    return new Promise(function (resolve, reject) {
      args.push(function (err, result) { err ? reject(err) : resolve(result); });
      fn.apply(self, args);
    });
  };
};

var lookupAsync = promisify(lookup);

var onTrack = function (event, settings) {
  return lookupAsync(event.properties.id).then(function (found) {
    queue.push(found.id);
    event.properties.found = found;
    event.properties.queue = queue.length;
    return event;
  });
};

function onIdentify(event) {
  for (var i = 0, names = Object.keys(event.traits); i < names.length; i++) {
    var v = event.traits[names[i]];
    if (v === '' || v === null) delete event.traits[names[i]];
  }
  event.traits.last = names[i - 1];
  return event;
}

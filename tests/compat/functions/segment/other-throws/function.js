class PartnerError extends Error {
  constructor(status, message) {
    super(message);
    this.name = 'PartnerError';
    this.status = status;
  }
}

async function onTrack(event, settings) {
  switch (event.event) {
    case 'error':
      throw new Error('something broke');
    case 'own':
      throw new PartnerError(418, 'I am a teapot');
    case 'string':
      throw 'just words';
    case 'object':
      throw { code: 7 };
    case 'rejected':
      return Promise.reject(new TypeError('rejected'));
    case 'array':
      return [event];
    case 'text':
      return JSON.stringify(event);
    case 'null':
      return null;
    default:
      return { ...event, properties: { fine: true } };
  }
}

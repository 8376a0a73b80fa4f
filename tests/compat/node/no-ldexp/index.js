module.exports = () => {
  throw new Error('sampling by tsub is not measured')
}

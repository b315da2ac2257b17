/** Sets the theme that was chosen by hand, before anything is drawn: a module would come too late for that. */
(() => {
  try {
    const theme = localStorage.getItem('warren-theme');
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
  } catch {
    // Without a storage the system's preference counts.
  }
})();

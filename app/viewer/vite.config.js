import { defineConfig } from 'vite';

// One ES module, its dynamic imports inlined: the app serves a single file, and readers need no Node.
export default defineConfig({
  base: './',
  resolve: { alias: { events: 'events/', url: 'url/' } },
  define: { 'process.env.NODE_ENV': '"production"' },
  worker: { format: 'es' },
  build: {
    outDir: process.env.VIEWER_OUT || 'dist',
    emptyOutDir: true,
    chunkSizeWarningLimit: 8000,
    lib: { entry: 'src/viewer.js', formats: ['es'], fileName: () => 'viewer.js' },
    rollupOptions: { output: { inlineDynamicImports: true } },
  },
});

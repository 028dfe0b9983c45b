{
  "variables": {
    # "address", "undefined" and the like: npm run build:native -- -Dsanitize=address
    "sanitize%": "",
    # The benches are not part of the published package.
    "benches%": "<!(node -p \"fs.existsSync('bench/native') ? 1 : 0\")",
    # 1 builds the load generator of the benchmarks too: npm run build:bench
    "bench%": 0,
    "engine_folders": "native/base native/wire native/packet native/vote native/merge native/gateway"
  },
  "target_defaults": {
    "cflags!": ["-fno-exceptions"],
    "cflags_cc!": ["-std=gnu++17", "-std=gnu++20"],
    "cflags_cc": [
      "-std=c++20", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
      "-fno-exceptions", "-fno-rtti", "-fvisibility=hidden", "-fvisibility-inlines-hidden"
    ],
    "include_dirs": ["native"],
    "conditions": [
      ["sanitize!=''", {
        "cflags_cc": ["-fsanitize=<(sanitize)", "-fno-omit-frame-pointer", "-g"],
        "ldflags": ["-fsanitize=<(sanitize)"]
      }]
    ],
    "configurations": {
      "Debug": { "cflags_cc!": ["-O3", "-O0"], "cflags_cc": ["-O1", "-g", "-D_GLIBCXX_ASSERTIONS"] },
      "Release": { "cflags_cc": ["-O3"], "defines": ["NDEBUG"] }
    }
  },
  "targets": [
    {
      "target_name": "engine",
      "type": "static_library",
      "sources": ["<!@(node native/sources.mjs <(engine_folders))"]
    },
    {
      "target_name": "tmr_engine",
      "dependencies": ["engine", "<!(node -p \"require('node-addon-api').targets\"):node_addon_api"],
      "defines": ["NAPI_VERSION=9", "NODE_ADDON_API_DISABLE_DEPRECATED"],
      "sources": ["<!@(node native/sources.mjs native/sockets native/addon)"]
    },
    {
      "target_name": "engine_test",
      "type": "executable",
      "dependencies": ["engine"],
      "sources": ["<!@(node native/sources.mjs native/test bench/native/test)"]
    }
  ],
  "conditions": [
    ["benches==1 and OS!='win'", {
      "targets": [
        {
          "target_name": "tmr_bench",
          # An addon by another name: of those that end in `.node`, node-gyp-build and prebuildify take the first that
          # they find for the engine's, and node-gyp names every loadable module so.
          "type": "shared_library",
          "product_prefix": "",
          "product_extension": "addon",
          "dependencies": ["engine"],
          "defines": ["NAPI_VERSION=9"],
          "sources": ["<!@(node native/sources.mjs bench/native/addon)"]
        },
        {
          "target_name": "engine_bench",
          "type": "executable",
          "dependencies": ["engine"],
          "sources": ["<!@(node native/sources.mjs bench/native/program)"]
        }
      ]
    }],
    ["bench==1", {
      "targets": [
        {
          "target_name": "tmr_load",
          # An addon by another name: what loads the engine takes the first file of the folder that ends in .node.
          "type": "shared_library",
          "product_prefix": "",
          "product_extension": "addon",
          "dependencies": ["engine", "<!(node -p \"require('node-addon-api').targets\"):node_addon_api"],
          "defines": ["NAPI_VERSION=9", "NODE_ADDON_API_DISABLE_DEPRECATED"],
          "sources": ["<!@(node native/sources.mjs bench/native)"]
        }
      ]
    }]
  ]
}

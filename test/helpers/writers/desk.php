<?php
// A plugin of the site: takes a file, keeps it, and writes a row about it. Answers 201 when both are done.
add_action('rest_api_init', function () {
    register_rest_route('desk/v1', '/entry', [
        'methods' => 'POST',
        'permission_callback' => '__return_true',
        'callback' => function (WP_REST_Request $request) {
            global $wpdb;
            $name = preg_replace('/\W/', '', $request['writer']) . '-' . (int) $request['number'];
            $uploads = WP_CONTENT_DIR . '/uploads';
            if ($request['until'] !== null) {
                // Under way since before the maintenance page came up, and for a while after.
                touch("$uploads/$name.begun");
                for (; !file_exists($request['until']); usleep(2000)) clearstatcache();
                usleep(700000);
            }
            $uploaded = $request->get_file_params()['file']['tmp_name'];
            if (!move_uploaded_file($uploaded, "$uploads/$name.bin")) return new WP_Error('file', 'not kept', ['status' => 500]);
            $row = ['writer' => $request['writer'], 'number' => (int) $request['number']];
            if ($wpdb->insert('wp_desk', $row) !== 1) return new WP_Error('row', 'not written', ['status' => 500]);
            return new WP_REST_Response($row, 201);
        },
    ]);
});
